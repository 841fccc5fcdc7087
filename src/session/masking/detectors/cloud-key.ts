// Keys and tokens of cloud and API providers, by the prefixes that the providers publish so that scanners can find them.

import { type Detector, isAlphanumeric, isDigit, isHex, isWordPart, runEnd, type Span } from './detector.ts';

type Alphabet = (code: number) => boolean;

const alphanumeric: Alphabet = isAlphanumeric;
const upper: Alphabet = (code) => isDigit(code) || (code >= 65 && code <= 90);
const lowerHex: Alphabet = (code) => isHex(code) && !(code >= 65 && code <= 70);
const word: Alphabet = (code) => isAlphanumeric(code) || code === 95 || code === 45;
const dotted: Alphabet = (code) => word(code) || code === 46;
const base64: Alphabet = (code) => isAlphanumeric(code) || code === 43 || code === 47 || code === 61;
const path: Alphabet = (code) => word(code) || code === 47;

const LONGEST = 64 * 1024;

interface Shape {
  readonly prefix: string;
  readonly alphabet: Alphabet;
  /** How many characters follow the prefix, at least and at most. */
  readonly least: number;
  readonly most: number;
}

const shape = (prefix: string, alphabet: Alphabet, least: number, most = LONGEST): Shape => ({
  prefix,
  alphabet,
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
  ...['shpat_', 'shpca_', 'shppa_', 'shpss_'].map((prefix) => shape(prefix, isHex, 32, 32)),
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
  shape('sig', (code) => base64(code) || code === 37, 40),
];

const byFirst = new Map<number, Shape[]>();
for (const entry of SHAPES) {
  const first = entry.prefix.charCodeAt(0);
  byFirst.set(first, [...(byFirst.get(first) ?? []), entry]);
}
const namedFirst = new Map<number, Shape[]>();
for (const entry of NAMED) {
  for (const first of [entry.prefix.charCodeAt(0), entry.prefix.toUpperCase().charCodeAt(0)]) {
    namedFirst.set(first, [...(namedFirst.get(first) ?? []), entry]);
  }
}

/** By the first two characters: whether any of the above can begin so. Most words are dismissed here. */
const begins = new Uint8Array(128 * 128);
for (const { prefix } of SHAPES) begins[prefix.charCodeAt(0) * 128 + prefix.charCodeAt(1)] = 1;
for (const { prefix } of NAMED) {
  for (const first of [prefix[0]!, prefix[0]!.toUpperCase()]) {
    for (const second of [prefix[1]!, prefix[1]!.toUpperCase()])
      begins[first.charCodeAt(0) * 128 + second.charCodeAt(0)] = 1;
  }
}

export const cloudKey: Detector = {
  name: 'cloud-key',
  triggers: {
    word: [...byFirst.keys(), ...namedFirst.keys()].map((code) => String.fromCharCode(code)).join(''),
    other: '~',
  },
  // What is found is a run of its own alphabet: behind it, not inside, may the next begin. That keeps the scan linear.
  swallows: true,
  find(text, at) {
    const first = text.charCodeAt(at);
    if (first === 126) return entraSecret(text, at);
    const second = text.charCodeAt(at + 1);
    if (!(second < 128) || begins[first * 128 + second] === 0) return undefined;
    for (const entry of byFirst.get(first) ?? []) {
      if (!text.startsWith(entry.prefix, at)) continue;
      const end = runEnd(text, at + entry.prefix.length, entry.most, entry.alphabet);
      if (end - at - entry.prefix.length < entry.least) continue;
      if (entry.most < LONGEST && isAlphanumeric(text.charCodeAt(end))) continue;
      return { start: at, end };
    }
    for (const entry of namedFirst.get(first) ?? []) {
      const span = named(text, at, entry);
      if (span !== undefined) return span;
    }
    return undefined;
  },
};

/** `aws_secret_access_key = "…"`, `AccountKey=…`, `SecretAccessKey: …`. */
function named(text: string, at: number, entry: Shape): Span | undefined {
  if (text.slice(at, at + entry.prefix.length).toLowerCase() !== entry.prefix) return undefined;
  const start = runEnd(
    text,
    at + entry.prefix.length,
    6,
    (code) => code === 32 || code === 34 || code === 39 || code === 58 || code === 61,
  );
  if (start === at + entry.prefix.length) return undefined;
  const end = runEnd(text, start, entry.most, entry.alphabet);
  if (end - start < entry.least || isAlphanumeric(text.charCodeAt(end))) return undefined;
  return { start, end };
}

/** A client secret of Entra ID (Azure AD): three characters, a digit, `Q~`, 31 to 34 characters. */
function entraSecret(text: string, at: number): Span | undefined {
  const start = at - 5;
  if (start < 0 || text.charCodeAt(at - 1) !== 81 || !isDigit(text.charCodeAt(at - 2))) return undefined;
  if (isWordPart(text.charCodeAt(start - 1))) return undefined;
  const alphabet: Alphabet = (code) => dotted(code) || code === 126;
  if (runEnd(text, start, 3, alphabet) !== start + 3) return undefined;
  const end = runEnd(text, at + 1, 34, alphabet);
  return end - at - 1 >= 31 ? { start, end } : undefined;
}
