// Whose program it is that came to a local port: Linux tells of each TCP socket whose it is, and so of the one at the other
// end of a connection within this machine. Refuses to know: who is let in, what is asked through the port.

import { readFileSync } from 'node:fs';
import { isIPv4, type Socket } from 'node:net';
import { endianness } from 'node:os';

/** The kernel's lists change while they are read, and may leave one out that was there all the time. */
const LOOKS = 3;

/**
 * The number of its user; undefined where it is not to be found: it is gone, comes from another machine, or the system does
 * not say.
 */
export function ownerOf(socket: Socket, read: (list: string) => string = readList): number | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return undefined;
  // As they stand there in the other's line, where its own end comes first.
  const ends = [
    `${hexadecimal(remoteAddress)}:${port(remotePort!)}`,
    `${hexadecimal(localAddress)}:${port(localPort!)}`,
  ];
  const lists: [string, string][] = [];
  if (isIPv4(remoteAddress)) lists.push(['tcp', ends.join(' ')]);
  // A socket of IPv6 reaches an IPv4 address too, and is in the list of its own kind then (Java's are).
  const sixth = isIPv4(remoteAddress) ? ends.map((end) => `${MAPPED}${end}`) : ends;
  lists.push(['tcp6', sixth.join(' ')]);
  for (let look = 0; look < LOOKS; look++) {
    for (const [list, wanted] of lists) {
      const owner = ownerIn(read(list), wanted);
      if (owner !== undefined) return owner;
    }
  }
  return undefined;
}

function readList(list: string): string {
  try {
    return readFileSync(`/proc/net/${list}`, 'latin1');
  } catch {
    // No IPv6, or a system that does not say.
    return '';
  }
}

/** Columns of a line: number, two addresses, state, queues, timer, retransmits, user, timeout, inode. */
function ownerIn(text: string, wanted: string): number | undefined {
  const at = text.indexOf(`: ${wanted} `);
  if (at === -1) return undefined;
  const columns = text
    .slice(at + 2, text.indexOf('\n', at))
    .trim()
    .split(/\s+/);
  const [user, inode] = [Number(columns[6]), Number(columns[8])];
  // Of a socket that its program has closed the user says 0, whosever it was: it has no inode any more.
  return Number.isInteger(user) && inode > 0 ? user : undefined;
}

const SWAPPED = endianness() === 'LE';
const MAPPED = words('00000000000000000000FFFF');

/** Words of 32 bits, each as a number of this machine's. */
function words(hex: string): string {
  return hex.replace(/.{8}/g, (word) => (SWAPPED ? word.match(/../g)!.toReversed().join('') : word));
}

function hexadecimal(address: string): string {
  if (isIPv4(address))
    return words(
      address
        .split('.')
        .map((byte) => pad(Number(byte), 2))
        .join(''),
    );
  // The only one that a port of ours is at: ::1.
  const [head = '', tail = ''] = address.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const middle = Array<string>(8 - groups(head).length - groups(tail).length).fill('0');
  const all = [...groups(head), ...(address.includes('::') ? middle : []), ...groups(tail)];
  return words(all.map((group) => pad(Number.parseInt(group, 16), 4)).join(''));
}

function port(number: number): string {
  return pad(number, 4);
}

function pad(number: number, digits: number): string {
  return number.toString(16).toUpperCase().padStart(digits, '0');
}
