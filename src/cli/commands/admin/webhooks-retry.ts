// `hoopctl admin webhooks retry [ID]`: has messages that were given up tried again.

import { userError } from '../../../core/errors.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { plural } from '../../text.ts';

export const command = define({
  options: {
    webhook: { value: 'NAME', flagOnly: true, help: 'all of this webhook' },
    all: { flagOnly: true, help: 'all of them' },
  },
  arguments: [{ name: 'id', help: 'the message', optional: true }],
  run: async ({ id, webhook, all }, context) => {
    if ([id !== undefined, webhook !== undefined, all].filter(Boolean).length !== 1) {
      throw userError('usage', 'name one message, or --webhook NAME, or --all');
    }
    const api = await context.api();
    const path = id === undefined ? 'admin/webhooks/retry' : route`admin/webhooks/deliveries/${id}/retry`;
    const body = webhook === undefined ? {} : { webhook };
    const answer = await api.call<{ retried: number }>(path, { method: 'POST', body, signal: context.signal });
    await context.print(answer, () => `${plural(answer.retried, 'message')} will be tried again\n`);
  },
});
