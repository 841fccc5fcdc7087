// A client at a local port that does not get as far as the gateway: heard out up to its startup packet, since it reads no
// answer before that, and told why. Refuses to know: why.

import { asHoopctlError, type HoopctlError } from '../../../core/errors.ts';
import type { ByteStream } from '../../../core/stream.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { Door } from './door.ts';

/** Resolves when it is said; never rejects; closes the stream. */
export async function turnAway(stream: ByteStream, error: HoopctlError): Promise<void> {
  const { closing } = DEFAULT_LIMITS;
  const open = () => Promise.reject(error);
  const door = new Door({ stream, via: 'tunnel', connection: undefined, open }, DEFAULT_LIMITS);
  const late = setTimeout(() => stream.destroy(), closing.value);
  try {
    const { kind } = await door.greet();
    // Nobody waits for an answer to a cancel.
    if (kind === 'cancel') stream.destroy();
    else door.refuse(error);
  } catch (thrown) {
    door.refuse(asHoopctlError(thrown));
  }
  stream.onClose = () => clearTimeout(late);
}
