// The object storage of a gateway's recordings, as its configuration names it, for who reads them without the gateway.
// Refuses to know: what is read.

import { dirname, resolve } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import type { ObjectReader } from '../../store/elsewhere.ts';
import type { Context } from '../context.ts';
import { needDocument } from '../document.ts';

/** References to credentials are resolved in this environment. Errors: `config_invalid`, `config_unreadable`. */
export async function objectsOf(context: Context, file: string): Promise<ObjectReader> {
  const found = await objectsIn(context, file);
  if (found !== undefined) return found;
  throw userError('config_invalid', `${file} names no object storage`, { fix: 'it has to have recordings.store.s3' });
}

/** As `objectsOf`; undefined where it names none. */
export async function objectsIn(context: Context, file: string): Promise<ObjectReader | undefined> {
  const configuration = await needDocument(context, file);
  if (configuration.objects === undefined) return undefined;
  const { ObjectStorage } = await import('../../gateway/objects/storage.ts');
  const { CredentialResolver } = await import('../../target/credentials.ts');
  const directory = dirname(resolve(context.io.cwd, file));
  const secrets = new CredentialResolver({
    ...{ environment: context.io.env, directory, log: silentLog, clock: systemClock },
  });
  return new ObjectStorage({
    configured: () => configuration.objects,
    read: secrets.read.bind(secrets),
    limit: (bound) => configuration.limit(bound),
  });
}
