// An error or a notice as the record has it. Refuses to know: whether it may leave, what it is about.

/** All of it that may say something of what is stored. */
export function told(fields: ReadonlyMap<string, string>) {
  const [detail, hint, where] = [fields.get('D'), fields.get('H'), fields.get('W')];
  return {
    ...{ code: fields.get('C') ?? 'XX000', message: fields.get('M') ?? '' },
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
    ...(where === undefined ? {} : { where }),
  };
}
