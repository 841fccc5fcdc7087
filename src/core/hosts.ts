// Names and addresses of machines in one spelling each, so that another spelling of an address is no way around what is
// said about it. Refuses to know: what a name resolves to.

import { isIP } from 'node:net';

/** Names in lower case without the root's dot; addresses in their usual form: `0x7f.1` is 127.0.0.1. */
export function canonicalHost(host: string): string {
  const name = host.toLowerCase().replace(/\.$/, '');
  const bare = name.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (isIP(bare) === 6) return canonical6(bare);
  return classic4(bare) ?? name;
}

/** Names and addresses of the very machine that is asked to connect. */
export function isLoopback(host: string): boolean {
  const name = canonicalHost(host);
  // Whoever connects to no address in particular comes to itself.
  return (
    name === 'localhost' || name.endsWith('.localhost') || /^127\./.test(name) || name === '::1' || isWildcard(name)
  );
}

/** Every address of a machine, where it listens. */
export function isWildcard(host: string): boolean {
  return ['', '*', '0.0.0.0', '::'].includes(canonicalHost(host));
}

function canonical6(address: string): string {
  const short = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (mapped === null) return short;
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** What inet_aton takes: one to four numbers, decimal, octal or hexadecimal, the last one filling what is left. */
function classic4(text: string): string | undefined {
  const parts = text.split('.');
  if (parts.length > 4) return undefined;
  const numbers: number[] = [];
  for (const part of parts) {
    if (!/^(0x[0-9a-f]*|0[0-7]*|[1-9]\d*)$/.test(part)) return undefined;
    numbers.push(
      part.startsWith('0x')
        ? Number.parseInt(part.slice(2) || '0', 16)
        : Number.parseInt(part, part[0] === '0' ? 8 : 10),
    );
  }
  const last = numbers.pop()!;
  if (numbers.some((number) => number > 255) || last >= 256 ** (4 - numbers.length)) return undefined;
  const tail = Array.from(
    { length: 4 - numbers.length },
    (_, i) => Math.floor(last / 256 ** (3 - numbers.length - i)) % 256,
  );
  return [...numbers, ...tail].join('.');
}
