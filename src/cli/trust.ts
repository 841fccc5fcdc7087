// Trust on first use: shows a gateway's unknown certificate and asks, as ssh does. A changed one is refused aloud.

import { type HoopctlError, peerError, userError } from '../core/errors.ts';
import { fingerprintsOf, inspectCertificate, type Presented, type Shown } from '../login/certificate.ts';
import type { Context } from './context.ts';
import { confirm, needTerminal } from './prompt.ts';
import { facts, localTime } from './text.ts';

/** The PEM that the user accepted. Errors: gateway_certificate_unknown, gateway_certificate_invalid, no_terminal. */
export async function askTrust(context: Context, url: string): Promise<string> {
  const { io } = context;
  const presented = await inspectCertificate(new URL(url));
  const { leaf, anchor } = presented;
  if (!presented.nameMatches) {
    throw peerError(
      'gateway_certificate_invalid',
      `the certificate of '${url}' is for ${leaf.names.join(', ') || 'no name'}`,
      {
        fix: 'use one of those names, or ask who runs the gateway to add this one (publicUrl)',
      },
    );
  }
  const { fingerprint } = anchor;
  if (!io.interactive) {
    throw userError('gateway_certificate_unknown', `nobody this machine trusts vouches for '${url}' (${fingerprint})`, {
      fix: `get the CA's certificate from who runs the gateway and pass --ca-file FILE, or compare the fingerprint with them and pass --ca-fingerprint ${fingerprint}`,
      details: { fingerprint },
    });
  }
  io.say(describe(url, presented));
  needTerminal(io, 'whether to trust it', 'pass --ca-file');
  if (await confirm(io, 'Trust it for this gateway from now on?')) return anchor.pem;
  throw userError('gateway_certificate_unknown', `the certificate of '${url}' was not accepted`, {
    fix: "compare the fingerprint with the one that 'hoopctl serve' printed, then try again",
  });
}

function describe(url: string, { leaf, anchor }: Presented): string {
  const own = anchor.fingerprint === leaf.fingerprint;
  return [
    `Nobody this machine trusts vouches for the gateway '${url}'. It shows:`,
    '',
    indent(facts([['certificate for', leaf.names.join(', ')], ...lines(leaf, own)])),
    ...(own ? [] : [indent(facts([['signed by', anchor.subject], ...lines(anchor, true)]))]),
    "Compare the fingerprint with what 'hoopctl serve' printed there, or ask who runs the gateway.",
  ].join('\n');
}

function lines(shown: Shown, withFingerprint: boolean): [string, string | undefined][] {
  return [
    ['valid', `${localTime(shown.validFrom.getTime())} to ${localTime(shown.validTo.getTime())}`],
    ['fingerprint', withFingerprint ? shown.fingerprint : undefined],
  ];
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

const BANNER = `
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: THE CERTIFICATE OF THE GATEWAY HAS CHANGED   @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Somebody may be between you and the gateway, or it was set up anew.
`;

/** The refusal of a certificate that is not signed by what was pinned: both fingerprints, and no way to just click on. */
export async function changedCertificate(
  { io, json }: Context,
  url: string,
  pinned: string,
  cause: unknown,
): Promise<Error> {
  const { anchor } = await inspectCertificate(new URL(url));
  if (!json) io.say(BANNER);
  return changed(url, pinned, anchor, cause);
}

/** The same without a word more, for who looks on purpose. */
export async function changed(url: string, pinned: string, anchor: Shown, cause: unknown): Promise<HoopctlError> {
  const trusted = (await fingerprintsOf(pinned)).join(' ');
  const shown = anchor.fingerprint;
  return peerError(
    'gateway_certificate_changed',
    `the certificate of the gateway '${url}' has changed: trusted until now was ${trusted}, shown now is ${shown} (${anchor.subject})`,
    {
      fix: `ask who runs the gateway; only if they confirm the new fingerprint: hoopctl login ${url} --forget-certificate`,
      details: { trusted, shown },
      cause,
    },
  );
}
