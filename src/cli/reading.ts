// The option of verbs that read what was recorded, and what comes of it. Refuses to know: who may read what.

import type { Api } from './api.ts';
import type { Context } from './context.ts';

export const READING_OPTION = {
  reason: { value: 'TEXT', help: 'why it is read: on record, and required where the gateway says so' },
} as const;

/** The same with that reason in everything that is asked of the gateway. */
export function reasoned(context: Context, reason: string | undefined): Context {
  if (reason === undefined) return context;
  const api = async (): Promise<Api> => {
    const { access, call, bytes, lines } = await context.api();
    return {
      access,
      call: (path, request) => call(path, { ...request, reason }),
      bytes: (path, request) => bytes(path, { ...request, reason }),
      lines: (path, request) => lines(path, { ...request, reason }),
    };
  };
  return Object.assign(Object.create(context) as Context, { api });
}
