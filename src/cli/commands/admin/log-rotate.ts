// `hoopctl admin log rotate`: a new signing key for the gateway's log; the old one vouches for it.

import { command as define } from '../../command.ts';

export const command = define({
  notes: `Checkpoints are signed by the new key from then on. Whoever pinned an older one with --key goes on with it: the log's own
entry, signed by the old key, leads to the new one. After a key was stolen that is not enough: tell everybody the new key.`,
  run: async (_, context) => {
    const api = await context.api();
    const { vkey } = await api.call<{ vkey: string }>('log/rotate', { method: 'POST', signal: context.signal });
    await context.print({ vkey }, () => `${vkey}\n`);
  },
});
