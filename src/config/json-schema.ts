// The JSON Schema of a configuration, for editors: what `hoopctl policy schema` prints.

import { z } from 'zod';

/** Draft 2020-12 of what may be written (defaults are optional); what it cannot say is left open. */
export function jsonSchema(schema: z.ZodType, title?: string): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input', unrepresentable: 'any' });
  return { $schema, ...(title === undefined ? {} : { title }), ...rest };
}
