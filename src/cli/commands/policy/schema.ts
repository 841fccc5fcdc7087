// `hoopctl policy schema`: the JSON Schema of the configuration, for editors.

import { command as define } from '../../command.ts';

export const command = define({
  notes: `hoopctl policy schema > gateway.schema.json
# yaml-language-server: $schema=gateway.schema.json     as the first line of gateway.yaml`,
  run: async (_, context) => {
    const { configurationJsonSchema } = await import('../../../gateway/configuration.ts');
    const schema = await configurationJsonSchema();
    await context.print(schema, () => `${JSON.stringify(schema, null, 2)}\n`);
  },
});
