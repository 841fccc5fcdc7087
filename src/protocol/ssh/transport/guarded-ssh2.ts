// ssh2, and the parts of it that its public interface does not show, loaded in the one order that is safe: its native ciphers
// are guarded before anything of it takes them. Nothing else may import it but for types; sources.test.ts sees to that.
// Refuses to know: what it is used for.

import { createRequire } from 'node:module';
import type Whole from 'ssh2';
import type Cryptography from 'ssh2/lib/protocol/crypto.js';
import type ProtocolOfSsh2 from 'ssh2/lib/protocol/Protocol.js';
import type Utilities from 'ssh2/lib/protocol/utils.js';
import { Lasting } from './lasting.ts';

const require = createRequire(import.meta.url);

function guardNativeCiphers(): void {
  let binding: Record<string, unknown>;
  try {
    binding = require('ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');
  } catch {
    // It was not built: ssh2 does without, and says so in `bindingAvailable`.
    return;
  }
  new Lasting().guard(binding);
}

guardNativeCiphers();

export const cryptography: typeof Cryptography = require('ssh2/lib/protocol/crypto.js');
export const Protocol: typeof ProtocolOfSsh2 = require('ssh2/lib/protocol/Protocol.js');
export type Protocol = ProtocolOfSsh2;
export const utils: typeof Utilities = require('ssh2/lib/protocol/utils.js');
export const ssh2: typeof Whole = require('ssh2');
