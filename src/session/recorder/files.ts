// The file calls that writing a record needs, as an interface, so that a full or failing disk can be tested.
// Refuses to know: lines, sessions, who makes the calls (store/node-files.ts).

export interface RecorderFiles {
  /** Opens a file for reading and appending, mode 0600. `new`: it must not exist. Returns the descriptor. */
  open(path: string, how: 'new' | 'existing'): number;
  /** One write(2): may write less than asked. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  truncate(fd: number, length: number): void;
  sync(fd: number): Promise<void>;
  close(fd: number): void;
}

/** What recordings need beside that; called in a thread of its own, so each may take its time. */
export interface DiskFiles extends RecorderFiles {
  /** fdatasync(2). */
  datasync(fd: number): void;
  /** fsync(2) of a directory: the names in it survive a power loss. */
  syncDirectory(path: string): void;
  /** pread(2): fills at most `into`, from the byte `at` on. */
  read(fd: number, into: Uint8Array, at: number): number;
  /** How many names the open file has; 0: it was removed. */
  links(fd: number): number;
  /** Bytes that we may still write to the file system, of how many it has. */
  space(path: string): { readonly free: number; readonly total: number };
}
