// Keys and tokens of cloud and API providers, by the prefixes that the providers publish so that scanners can find them.

import { type Codes, startsWith } from '../units.ts';
import {
  type Alphabet,
  alphabet,
  type Detector,
  isAlphanumeric,
  isDigit,
  isHex,
  isWordPart,
  runEnd,
  type Span,
} from './detector.ts';

const alphanumeric = alphabet(isAlphanumeric);
const upper = alphabet((code) => isDigit(code) || (code >= 65 && code <= 90));
const hex = alphabet(isHex);
const lowerHex = alphabet((code) => isHex(code) && !(code >= 65 && code <= 70));
const isWord = (code: number) => isAlphanumeric(code) || code === 95 || code === 45;
const word = alphabet(isWord);
const dotted = alphabet((code) => isWord(code) || code === 46);
const isBase64 = (code: number) => isAlphanumeric(code) || code === 43 || code === 47 || code === 61;
const base64 = alphabet(isBase64);
const path = alphabet((code) => isWord(code) || code === 47);
const signature = alphabet((code) => isBase64(code) || code === 37);
const secret = alphabet((code) => isWord(code) || code === 46 || code === 126);
/** What stands between a name and its key. */
const between = alphabet((code) => code === 32 || code === 34 || code === 39 || code === 58 || code === 61);

const LONGEST = 64 * 1024;

interface Shape {
  readonly prefix: string;
  readonly bytes: Uint8Array;
  readonly of: Alphabet;
  /** How many characters follow the prefix, at least and at most. */
  readonly least: number;
  readonly most: number;
}

const shape = (prefix: string, of: Alphabet, least: number, most = LONGEST): Shape => ({
  prefix,
  bytes: Buffer.from(prefix),
  of,
  least,
  most,
});

/** Beginning a word. */
const SHAPES: readonly Shape[] = [
  // Amazon Web Services: access key ids by kind (IAM user guide, "unique identifiers"), and Bedrock keys
  ...['AKIA', 'ASIA', 'ABIA', 'ACCA'].map((prefix) => shape(prefix, upper, 16, 16)),
  shape('ABSKQmVkcm9ja0FQSUtleS', base64, 60),
  // Google Cloud: API key, OAuth client secret, OAuth token
  shape('AIza', word, 35, 35),
  shape('GOCSPX-', word, 28, 28),
  shape('ya29.', word, 20),
  // GitHub, GitLab
  ...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((prefix) => shape(prefix, alphanumeric, 36)),
  shape('github_pat_', word, 82),
  ...['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-'].map((prefix) => shape(prefix, dotted, 20)),
  // Slack: tokens and incoming web hooks
  ...['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxe-', 'xoxe.', 'xapp-'].map((prefix) =>
    shape(prefix, dotted, 10),
  ),
  shape('hooks.slack.com/services/', path, 20),
  // Stripe
  ...['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'].map((prefix) => shape(prefix, alphanumeric, 16)),
  shape('whsec_', base64, 24),
  // Model providers
  shape('sk-ant-', word, 20),
  shape('sk-proj-', word, 20),
  shape('sk-', alphanumeric, 32),
  shape('hf_', alphanumeric, 30),
  // Package registries
  shape('npm_', alphanumeric, 36, 36),
  shape('pypi-AgE', word, 50),
  shape('rubygems_', lowerHex, 48, 48),
  shape('dckr_pat_', word, 20),
  // Others
  shape('SG.', dotted, 60, 80),
  ...['dop_v1_', 'doo_v1_', 'dor_v1_'].map((prefix) => shape(prefix, lowerHex, 64, 64)),
  ...['shpat_', 'shpca_', 'shppa_', 'shpss_'].map((prefix) => shape(prefix, hex, 32, 32)),
  shape('dapi', lowerHex, 32, 34),
  ...['hvs.', 'hvb.'].map((prefix) => shape(prefix, word, 24)),
  ...['sq0atp-', 'sq0csp-'].map((prefix) => shape(prefix, word, 22)),
  shape('AGE-SECRET-KEY-1', upper, 58, 58),
  shape('lin_api_', alphanumeric, 40),
  shape('glsa_', word, 40),
  shape('PMAK-', word, 59),
];

/** Keys that have no prefix of their own and are known by the name in front of them; the name is not part of the find. */
const NAMED: readonly Shape[] = [
  shape('aws_secret_access_key', base64, 40, 40),
  shape('aws_secret_key', base64, 40, 40),
  shape('secretaccesskey', base64, 40, 40),
  // Azure: storage, Service Bus, Cosmos DB connection strings; shared access signatures
  shape('accountkey', base64, 40),
  shape('sharedaccesskey', base64, 40),
  shape('sig', signature, 40),
];

/** By the first character. */
const byFirst: Shape[][] = Array.from({ length: 128 }, () => []);
for (const entry of SHAPES) byFirst[entry.bytes[0]!]!.push(entry);
const namedFirst: Shape[][] = Array.from({ length: 128 }, () => []);
for (const entry of NAMED)
  for (const first of eitherCase(entry.prefix[0]!)) namedFirst[first.charCodeAt(0)]!.push(entry);

/** The first three characters of all of the above. Most words are dismissed there. */
const BEGINNINGS = new Set([
  ...SHAPES.map(({ prefix }) => prefix.slice(0, 3)),
  ...NAMED.flatMap(({ prefix }) =>
    [...prefix.slice(0, 3)].reduce<string[]>(
      (all, next) => all.flatMap((one) => eitherCase(next).map((two) => one + two)),
      [''],
    ),
  ),
]);

function eitherCase(character: string): string[] {
  return [...new Set([character.toLowerCase(), character.toUpperCase()])];
}

export const cloudKey: Detector = {
  name: 'cloud-key',
  triggers: {
    word: [...BEGINNINGS],
    other: ['~'],
  },
  // What is found is a run of its own alphabet: behind it, not inside, may the next begin. That keeps the scan linear.
  swallows: true,
  find(codes, at, textEnd) {
    const first = codes[at]!;
    if (first === 126) return entraSecret(codes, at, textEnd);
    for (const entry of byFirst[first]!) {
      if (!startsWith(codes, at, entry.bytes)) continue;
      const body = at + entry.bytes.length;
      const end = runEnd(codes, body, entry.most, textEnd, entry.of);
      if (end - body < entry.least) continue;
      if (entry.most < LONGEST && isAlphanumeric(codes[end]!)) continue;
      return { start: at, end };
    }
    for (const entry of namedFirst[first]!) {
      const span = named(codes, at, entry, textEnd);
      if (span !== undefined) return span;
    }
    return undefined;
  },
};

/** `aws_secret_access_key = "…"`, `AccountKey=…`, `SecretAccessKey: …`. */
function named(codes: Codes, at: number, entry: Shape, textEnd: number): Span | undefined {
  const { bytes } = entry;
  for (let i = 0; i < bytes.length; i++) if (lower(codes[at + i]!) !== bytes[i]) return undefined;
  const start = runEnd(codes, at + bytes.length, 6, textEnd, between);
  if (start === at + bytes.length) return undefined;
  const end = runEnd(codes, start, entry.most, textEnd, entry.of);
  if (end - start < entry.least) return undefined;
  // A run without a length of its own is a find however it goes on: another name in it would look at all of it again.
  return entry.most < LONGEST && isAlphanumeric(codes[end]!) ? undefined : { start, end };
}

/** As `toLowerCase`, where that gives a letter of ASCII: the Kelvin sign is one of them. */
function lower(code: number): number {
  if (code >= 65 && code <= 90) return code + 32;
  return code === 0x212a ? 107 : code;
}

/** A client secret of Entra ID (Azure AD): three characters, a digit, `Q~`, 31 to 34 characters. */
function entraSecret(codes: Codes, at: number, textEnd: number): Span | undefined {
  const start = at - 5;
  if (codes[at - 1]! !== 81 || !isDigit(codes[at - 2]!)) return undefined;
  if (isWordPart(codes[start - 1]!)) return undefined;
  if (runEnd(codes, start, 3, textEnd, secret) !== start + 3) return undefined;
  const end = runEnd(codes, at + 1, 34, textEnd, secret);
  return end - at - 1 >= 31 ? { start, end } : undefined;
}
