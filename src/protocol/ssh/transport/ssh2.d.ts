// The parts of ssh2 that transport.ts builds on: its transport layer, which its public interface does not show. Pinned to
// one version for that reason; transport.test.ts fails where a later one differs.

declare module 'ssh2/lib/protocol/Protocol.js' {
  import type { Buffer } from 'node:buffer';

  export interface HostKey {
    readonly type: string;
    getPublicSSH(): Buffer;
    sign(data: Buffer, algorithm?: string): Buffer | Error;
  }

  export interface AlgorithmLists {
    kex: string[];
    serverHostKey: string[];
    cs: { cipher: string[]; mac: string[]; compress: string[]; lang: string[] };
    sc: { cipher: string[]; mac: string[]; compress: string[]; lang: string[] };
  }

  export interface Negotiated {
    /** From the client to the server, and back. */
    readonly cs: { readonly cipher: string };
    readonly sc: { readonly cipher: string };
  }

  export default class Protocol {
    constructor(options: {
      server?: boolean;
      hostKeys?: Record<string, HostKey>;
      ident: string;
      offer: AlgorithmLists;
      onWrite(data: Buffer): void;
      onError(error: Error): void;
      onHeader?(header: { identRaw: Buffer }): void;
      onHandshakeComplete?(negotiated: Negotiated): void;
      hostVerifier?(key: Buffer, verdict: (permitted: boolean) => void): undefined;
      messageHandlers?: { DISCONNECT?(protocol: unknown, reason: number, text: string): void };
    });
    start(): void;
    parse(chunk: Buffer, from: number, to: number): void;
    rekey(): void;
    cleanup(): void;
    _onPayload: (payload: Buffer) => unknown;
    _onHandshakeComplete: (negotiated: Negotiated) => void;
    readonly _kex: {
      readonly sessionID: Buffer;
      remoteExtInfoEnabled: boolean;
      _hostKey: Buffer | undefined;
      readonly negotiated: { serverHostKey: string };
    };
    /** What encrypts from here on; another one after each exchange of keys. */
    readonly _cipher: { allocPacket(payloadBytes: number): Buffer };
    /** What decrypts from here on; its packet of which a part is still to come. */
    readonly _decipher: { readonly _packet?: Uint8Array | null } | undefined;
    /** Set while keys are exchanged: packets are queued. */
    readonly _kexinit: Buffer | undefined;
    readonly _packetRW: {
      readonly write: {
        readonly allocStart: number;
        readonly allocStartKEX: number;
        alloc(length: number, force?: boolean): Buffer;
        finalize(packet: Buffer, force?: boolean): Buffer;
      };
    };
  }
}

declare module 'ssh2/lib/protocol/utils.js' {
  import type { Buffer } from 'node:buffer';
  import type Protocol from 'ssh2/lib/protocol/Protocol.js';

  const utils: { sendPacket(protocol: Protocol, packet: Buffer, bypass?: boolean): boolean };
  export default utils;
}

declare module 'ssh2/lib/protocol/crypto.js' {
  const crypto: { readonly bindingAvailable: boolean; readonly init: Promise<void> };
  export default crypto;
}
