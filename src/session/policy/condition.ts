// A condition: a test that can also say, in words, what it wanted and what it saw. Rules decide and explain with the same
// ones, so that an explanation cannot differ from the decision.

export interface Condition<T> {
  /** Where it stands in the document: `who.groups`, `when.does`. */
  readonly key: string;
  /** What has to be the case, in words. */
  readonly wanted: string;
  holds(subject: T): boolean;
  /** What the subject has there, in words. */
  seen(subject: T): string;
}

export function allHold<T>(conditions: readonly Condition<T>[], subject: T): boolean {
  for (const condition of conditions) if (!condition.holds(subject)) return false;
  return true;
}

/** `a`, `a or b`, `a, b or c`. */
export function anyOf(values: readonly string[]): string {
  if (values.length < 2) return values[0] ?? 'nothing';
  return `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

/** A list as seen: `a, b`, or a word for none. */
export function listOr(values: readonly string[], none: string): string {
  return values.length === 0 ? none : values.join(', ');
}
