// The controls of SOC 2 (Trust Services Criteria) that a report speaks to: in our own words what each asks for, what the
// record shows of it and what it cannot show, and which parts of a report belong to it.

import type { ControlId, SectionName } from './types.ts';

export interface Control {
  readonly title: string;
  readonly shows: readonly string[];
  readonly cannot: readonly string[];
  readonly sections: readonly SectionName[];
}

/** Of every control: what evidence of this kind is and is not. */
export const ALWAYS: readonly string[] = [
  'Whatever reaches a target by another way than this gateway. Compare with the target’s own account: hoopctl audit reconcile.',
  'What was said in encrypted sessions: of their operations there are who, when, verdict and outcome, and nothing in the tables of changes and masks. Whoever has an identity reads them: hoopctl sessions replay --identity.',
  'Sessions at other gateways that share the store: each has a log of its own. Ask each for its report.',
  'That nobody with the gateway’s machine and its key rewrote the record before a checkpoint was kept elsewhere. Compare with checkpoints and cosignatures of witnesses that you hold: hoopctl audit verify --since, --witness.',
];

export const CONTROLS: Readonly<Record<ControlId, Control>> = {
  'CC6.1': {
    title: 'Logical access to protected assets is restricted to those who are authorised',
    shows: [
      'Which access lines were in force, from when to when, and what they gave to each principal that the record has seen; computed by the code that decides in the gateway.',
      'Each session: who, through which agent, to what, from where, under which version of the policy and which grant.',
      'Each grant: who asked and why, who approved, how long; glass that was broken; masks that were lifted.',
      'Refused logins, refused sessions and refused statements, with the rule.',
      'Target credentials stay in the gateway: people log in as themselves.',
    ],
    cannot: [
      'Who is in a group at the identity provider but never came here. Ask the provider for the members of the groups that the access lines name.',
      'Whether somebody who had access should have had it. The record has the reason that was given and who approved.',
      'How a user’s own machine or identity provider is protected.',
    ],
    sections: ['access', 'lines', 'grants', 'sample', 'sessions', 'denied', 'refused', 'exceptions'],
  },
  'CC6.6': {
    title: 'Access from outside the boundary is restricted and watched',
    shows: [
      'Each session’s client address and way in (tunnel or native listener), always through one gateway and TLS.',
      'Refused logins and refused access with their addresses, at most 20 a minute each; the number of those left out.',
    ],
    cannot: [
      'Networks, firewalls and hosts around the gateway and the targets; what a scanner tried below a login.',
      'The true address of clients behind a proxy or NAT.',
    ],
    sections: ['sessions', 'refused', 'denied', 'exceptions'],
  },
  'CC7.2': {
    title: 'Systems are monitored for anomalies, and these are looked at',
    shows: [
      'Statements that rules refused or held, day by day; budgets that were used up; relations touched for the first time where a rule asks for it.',
      'Failures of the record itself, of exports and of alerts; sessions that went on unrecorded; gateways that went away.',
      'That somebody looked: readings, searches and exports of the record, by whom and when.',
    ],
    cannot: [
      'Anomalies that no rule describes. A record of everything is not an alarm.',
      'What a receiver of alerts or exports did with them.',
    ],
    sections: ['denied', 'refused', 'exceptions', 'reading', 'sessions'],
  },
  'CC7.3': {
    title: 'Security events are evaluated, and acted upon',
    shows: [
      'Each review: who asked, what was held, who decided what and why, how long it took.',
      'Sessions that were ended by somebody with the reason; principals that were shut out; grants and approvals taken back.',
      'Broken glass and every failure, with its time, to be matched with your incidents.',
    ],
    cannot: [
      'Tickets, post-mortems and what was decided outside of the gateway.',
      'Whether a reviewer read what was approved.',
    ],
    sections: ['reviews', 'exceptions', 'administration', 'reading', 'denied'],
  },
  'CC8.1': {
    title: 'Changes are authorised, tested, approved and recorded',
    shows: [
      'Each version of the gateway’s configuration, the document itself, when it came into force, and which were refused because they or their own tests failed.',
      'Who changed and who approved it, as far as the document says so itself (change: in it). The gateway does not check that claim.',
      'Statements that change schemas, roles and rights at a target, with who ran them and which review let them through.',
    ],
    cannot: [
      'Who wrote the configuration file on the gateway’s machine, and approvals in a repository. Compare the version (SHA-256 of the file) with the one that was approved there.',
      'Changes at a target that did not come through the gateway.',
    ],
    sections: ['policies', 'changes', 'reviews', 'administration', 'exceptions'],
  },
  'C1.1': {
    title: 'Confidential information is identified and protected',
    shows: [
      'Which columns were masked in results, by which mask, how often; what was shown because of an exemption, to whom.',
      'Masks that were lifted for a time: who asked, who approved, until when.',
      'Who read, searched or took copies of the record, which has statements and masked results.',
    ],
    cannot: [
      'Whether the masks name all that is confidential: that is for you to say. hoopctl policy check --live compares names.',
      'What people do with values that they may see.',
      'Encryption of the targets’ disks and of the gateway’s.',
    ],
    sections: ['masks', 'grants', 'reading', 'sessions', 'denied', 'exceptions'],
  },
};

export const CONTROL_IDS = Object.keys(CONTROLS) as ControlId[];

/** In the order in which a report has them. */
const ORDER: readonly SectionName[] = [
  'access',
  'lines',
  'grants',
  'sample',
  'sessions',
  'reviews',
  'denied',
  'refused',
  'policies',
  'changes',
  'masks',
  'exceptions',
  'administration',
  'reading',
];

/** The sample is in every report. */
export function sectionsOf(controls: readonly ControlId[]): readonly SectionName[] {
  const wanted = new Set<SectionName>(['sample', ...controls.flatMap((id) => CONTROLS[id].sections)]);
  return ORDER.filter((one) => wanted.has(one));
}
