// The built-in detectors by name.

import { card } from './card.ts';
import { cloudKey } from './cloud-key.ts';
import type { Detector } from './detector.ts';
import { email } from './email.ts';
import { iban } from './iban.ts';
import { ip } from './ip.ts';
import { jwt } from './jwt.ts';
import { pem } from './pem.ts';
import { phone } from './phone.ts';
import { ssn } from './ssn.ts';
import { urlPassword } from './url-password.ts';

export const DETECTOR_NAMES = [
  'credit-card',
  'iban',
  'us-ssn',
  'email',
  'phone',
  'ip',
  'jwt',
  'pem-private-key',
  'cloud-key',
  'url-password',
] as const;

export type DetectorName = (typeof DETECTOR_NAMES)[number];

export const DETECTORS: Readonly<Record<DetectorName, Detector>> = {
  'credit-card': card,
  iban,
  'us-ssn': ssn,
  email,
  phone,
  ip,
  jwt,
  'pem-private-key': pem,
  'cloud-key': cloudKey,
  'url-password': urlPassword,
};
