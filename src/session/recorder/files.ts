// The file calls that writing a record needs, as an interface, so that a full or failing disk can be tested.
// Refuses to know: lines, sessions, who makes the calls (store/node-files.ts).

export interface RecorderFiles {
  /** Opens a file for appending, mode 0600. `new`: it must not exist. Returns the descriptor. */
  open(path: string, how: 'new' | 'existing'): number;
  /** One write(2): may write less than asked. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  truncate(fd: number, length: number): void;
  sync(fd: number): Promise<void>;
  close(fd: number): void;
}
