// The options that every verb has.

import type { Options } from './command.ts';

export const GLOBAL_OPTIONS = {
  gateway: { value: 'URL', help: 'the gateway to talk to, instead of the current one' },
  agent: {
    value: 'NAME',
    help: 'the AI agent or program that acts for you, shown beside you in every verdict and record',
  },
  caFile: { value: 'FILE', trusted: true, help: 'certificates (PEM) to trust for the gateway' },
  caFingerprint: {
    value: 'SHA256',
    trusted: true,
    help: 'accept a gateway whose CA or certificate has this SHA-256 fingerprint',
  },
  json: { help: 'print JSON (JSON Lines for streams); errors as JSON on stderr' },
} as const satisfies Options;
