// What a check has to say: problems with a code, a place and words, and remarks that are no problems.
// Refuses to know: what is checked.

/** FORMAT.md lists them with what each means. Stable: they are what `audit verify --json` prints. */
export type Code =
  // the checkpoint, its keys
  | 'checkpoint_missing'
  | 'checkpoint_unreadable'
  | 'checkpoint_signature'
  | 'checkpoint_unsigned'
  | 'checkpoint_origin'
  | 'key_unknown'
  | 'key_not_vouched'
  | 'cosignature_broken'
  | 'cosignature_missing'
  // the tree and its entries
  | 'tile_missing'
  | 'tile_changed'
  | 'entries_missing'
  | 'entry_changed'
  | 'entry_missing'
  | 'entry_repeated'
  | 'entry_moved'
  | 'entry_unreadable'
  | 'log_rewritten'
  | 'blob_missing'
  | 'blob_changed'
  | 'journal_changed'
  | 'segment_missing'
  | 'segment_changed'
  // against what was kept elsewhere
  | 'since_unreadable'
  | 'since_signature'
  | 'since_other_log'
  | 'rolled_back'
  | 'forked'
  // recordings
  | 'recording_changed'
  | 'recording_missing'
  | 'recording_extra'
  | 'key_missing'
  | 'content_unreadable'
  | 'recording_replaced'
  | 'recording_repeated'
  | 'recording_unsealed'
  | 'recording_unreadable'
  | 'recording_elsewhere'
  | 'recording_not_purged'
  | 'purge_unfounded'
  // bundles
  | 'bundle_unreadable'
  | 'bundle_unsigned'
  | 'bundle_changed'
  | 'bundle_missing'
  | 'bundle_extra'
  // proofs and receipts
  | 'proof_unreadable'
  | 'proof_entry'
  | 'proof_inclusion'
  | 'receipt_unreadable'
  | 'receipt_entry'
  | 'receipt_recording';

export interface Finding {
  readonly code: Code;
  /** A path, an entry, a session, a line of one. */
  readonly where: string;
  /** One line for a person. */
  readonly message: string;
}

const MAX_FINDINGS = 200;

export class Findings {
  readonly problems: Finding[] = [];
  readonly notes: string[] = [];
  /** Problems beyond the most that are listed. */
  more = 0;

  problem(code: Code, where: string, message: string): void {
    if (this.problems.length < MAX_FINDINGS) this.problems.push({ code, where, message });
    else this.more += 1;
  }

  note(message: string): void {
    if (this.notes.length < MAX_FINDINGS) this.notes.push(message);
  }

  add({ problems, notes, more }: Findings): void {
    for (const { code, where, message } of problems) this.problem(code, where, message);
    for (const note of notes) this.note(note);
    this.more += more;
  }

  get ok(): boolean {
    return this.problems.length === 0;
  }
}
