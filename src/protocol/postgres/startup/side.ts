// A second, plain connection of the gateway's own to the same database: for the catalogue.
// Refuses to know: what is asked on it.

import { type HoopctlError, peerError } from '../../../core/errors.ts';
import type { Target } from '../../contract.ts';
import type { SideConnection } from '../analysis.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { PostgresConfig } from '../schema.ts';
import { rowValues } from '../wire/backend.ts';
import { query, TERMINATE } from '../wire/frontend.ts';
import { decodeFields } from '../wire/notice.ts';
import { Back } from '../wire/types.ts';
import { Inbox } from './inbox.ts';
import { connectTarget } from './target.ts';

const gone = (): HoopctlError => peerError('target_error', "the target closed the gateway's own connection");

/** Throws as `connectTarget` does. */
export async function connectSide(
  target: Target<PostgresConfig>,
  database: string,
  signal: AbortSignal,
  limits: Limits = DEFAULT_LIMITS,
): Promise<SideConnection> {
  const { user, password } = await target.credentials();
  const parameters = new Map([
    ['user', user ?? ''],
    ['database', database],
    ['application_name', 'hoopctl catalogue'],
    ['client_encoding', 'UTF8'],
  ]);
  const { stream, rest } = await connectTarget(target, parameters, password, limits, signal, true);
  const inbox = new Inbox(stream, gone);
  if (rest.length > 0) stream.onData?.(rest);
  let last: Promise<unknown> = Promise.resolve();
  return {
    query(sql) {
      // One at a time, in the order in which they were asked.
      const answer = last.then(() => ask(inbox, sql, limits));
      last = answer.catch(() => {});
      return answer;
    },
    close() {
      stream.write(TERMINATE);
      stream.end();
      setImmediate(() => stream.destroy());
    },
  };
}

async function ask(inbox: Inbox, sql: string, limits: Limits): Promise<(string | null)[][]> {
  inbox.stream.write(query(sql));
  const rows: (string | null)[][] = [];
  let failure: HoopctlError | undefined;
  for (;;) {
    const message = await inbox.message(limits.inspected);
    const type = message[0];
    if (type === Back.DataRow) rows.push(rowValues(message, 0, message.length, []));
    else if (type === Back.ErrorResponse) {
      const fields = decodeFields(message, 0, message.length);
      failure = peerError('target_error', `a query of the gateway's own failed: ${fields.get('M')}`, {
        details: { sqlstate: fields.get('C') ?? '' },
      });
    } else if (type === Back.ReadyForQuery) {
      if (failure !== undefined) throw failure;
      return rows;
    }
  }
}
