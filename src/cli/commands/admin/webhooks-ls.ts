// `hoopctl admin webhooks ls`: what is on its way out, and what was given up.

import { command as define } from '../../command.ts';
import type { WebhookAnswer } from '../../shapes.ts';
import { relativeTime, table } from '../../text.ts';

export const command = define({
  options: {
    state: { value: 'STATE', choices: ['pending', 'dead', 'all'], default: 'all', help: 'only messages in this state' },
  },
  notes: 'dead: given up after the last attempt; "hoopctl admin webhooks retry" has them tried again.',
  run: async ({ state }, context) => {
    const api = await context.api();
    const query = state === 'all' ? {} : { state };
    const answer = await api.call<WebhookAnswer>('admin/webhooks', { query, signal: context.signal });
    const now = Date.now();
    await context.print(answer, () => {
      if (answer.webhooks.length === 0 && answer.deliveries.length === 0) return 'none\n';
      const hooks = answer.webhooks.map((one) => [
        ...[one.name, one.format, String(one.pending), String(one.dead), one.events.join(', ')],
      ]);
      const messages = answer.deliveries.map((one) => [
        ...[one.id, one.webhook, one.event, one.state, String(one.attempts), relativeTime(one.createdAt, now)],
        one.error ?? '',
      ]);
      const waiting =
        messages.length === 0
          ? ''
          : `\n${table(['message', 'webhook', 'event', 'state', 'attempts', 'made', 'why'], messages)}`;
      return `${table(['webhook', 'format', 'pending', 'dead', 'events'], hooks)}${waiting}`;
    });
  },
});
