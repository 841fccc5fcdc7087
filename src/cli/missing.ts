// "No such connection" with the names that were perhaps meant.

import { HoopctlError, userError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Context } from './context.ts';

/** Runs `work`; where it fails because there is no such connection, the error gets the nearest name that there is. */
export async function nearestConnection<T>(context: Context, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const missing =
      error instanceof HoopctlError && (error.code === 'no_such_connection' || error.code === 'not_found');
    if (!missing) throw error;
    throw userError('no_such_connection', error.message, {
      fix: error.fix ?? (await suggestion(context, name)),
      cause: error,
    });
  }
}

async function suggestion(context: Context, name: string): Promise<string> {
  const fallback = "see 'hoopctl ls' for what you can reach";
  try {
    const api = await context.api();
    const { connections } = await api.call<{ connections: { name: string }[] }>('connections');
    const near = nearest(
      name,
      connections.map((connection) => connection.name),
    );
    return near === undefined ? fallback : `did you mean '${near}'? ${fallback}`;
  } catch {
    return fallback;
  }
}
