/**
 * What the library tells while it works. It never prints: reporters render these events.
 * The union is closed; every field is plain data.
 */

/** How a blob or manifest came to be at its destination. */
export type TransferStatus = 'present' | 'mounted' | 'uploaded';

/**
 * Why something was sent: it wasn't there; a mount was tried and not granted; the registry lacked
 * it although it had said otherwise.
 */
export type SendReason = 'absent' | 'mount-refused' | 'lost';

/** How a request says who asks. */
export type RequestLogin = 'none' | 'basic' | 'bearer' | 'other';

/** Fields that say which piece of content, and where it goes. */
export interface Piece {
  /** where it goes, for people: `HOST/PATH`, a layout's folder, an archive's file */
  readonly target: string;
  readonly digest: string;
  readonly mediaType: string;
  /** bytes */
  readonly size: number;
}

export type SlipwayEvent =
  /** A transfer begins. `size` is what will move if nothing is present or mounted. */
  | ({ readonly type: 'transfer.start'; readonly kind: 'blob' | 'manifest' } & Piece)
  /** `bytes` of the piece have been handed to the target so far; it can go back after a retry. */
  | ({ readonly type: 'transfer.progress'; readonly bytes: number } & Piece)
  | ({
      readonly type: 'transfer.done';
      readonly kind: 'blob' | 'manifest';
      readonly status: TransferStatus;
      /** bytes that went over the wire or to disk for it */
      readonly bytesSent: number;
      /** why nothing was sent: the repository it was mounted from */
      readonly from?: string;
      /** why it was sent */
      readonly reason?: SendReason;
    } & Piece)
  /** A layer is being compressed; `digest` is its diffID, `size` its raw size. */
  | {
      readonly type: 'compress.progress';
      readonly digest: string;
      readonly size: number;
      readonly bytes: number;
    }
  | {
      readonly type: 'compress.done';
      readonly digest: string;
      readonly size: number;
      readonly compressedDigest: string;
      readonly compressedSize: number;
      /** true when an earlier run had made it */
      readonly remembered: boolean;
    }
  /** A step is going to be repeated after `delayMs`. */
  | {
      readonly type: 'retry';
      readonly host: string;
      readonly reason: string;
      readonly attempt: number;
      readonly delayMs: number;
      /** true when the host itself asked for the wait, which then holds for all requests to it */
      readonly isAsked: boolean;
    }
  /** A tag now names a digest. `previous` is what it named before, if that was known. */
  | {
      readonly type: 'tag';
      readonly target: string;
      readonly reference: string;
      readonly digest: string;
      readonly previous?: string;
      readonly changed: boolean;
    }
  /** A plan was made. What it has to move is in bytes; what it compresses is counted raw. */
  | {
      readonly type: 'plan';
      /** every digest is known: the plan can be applied later */
      readonly isResolved: boolean;
      readonly destinations: number;
      /** names that will stand for something else, or are new */
      readonly tags: number;
      readonly upload: number;
      readonly mount: number;
      readonly present: number;
      readonly compress: number;
    }
  /** A release failed, and a tag that it had moved is back; without `to` it was new, and is gone. */
  | {
      readonly type: 'tag.restored';
      readonly target: string;
      readonly reference: string;
      readonly from: string;
      readonly to?: string;
    }
  /** A build begins, by this engine. */
  | {
      readonly type: 'build.start';
      readonly engine: string;
      readonly version?: string;
      /** why engines that come before it can't do this build */
      readonly instead?: string;
    }
  /** An instruction is done; `isCached` when an earlier build had done it. */
  | {
      readonly type: 'build.step';
      readonly step: string;
      readonly isCached: boolean;
      readonly platform?: string;
    }
  /** A line that an engine or a command of the build has printed. */
  | { readonly type: 'build.output'; readonly engine: string; readonly line: string }
  /**
   * Only where requests are listened to: one is being sent. No secret stands in its URL and headers,
   * which are those that may be shown. `id` joins it with what becomes of it.
   */
  | {
      readonly type: 'http.request';
      readonly id: number;
      readonly method: string;
      readonly url: string;
      /** how the request says who asks: never with what */
      readonly login: RequestLogin;
      readonly headers: Readonly<Record<string, string>>;
    }
  /** The head of the answer is there. */
  | {
      readonly type: 'http.response';
      readonly id: number;
      readonly method: string;
      readonly url: string;
      readonly status: number;
      readonly durationMs: number;
      readonly headers: Readonly<Record<string, string>>;
    }
  /** No answer came. */
  | {
      readonly type: 'http.failure';
      readonly id: number;
      readonly method: string;
      readonly url: string;
      readonly durationMs: number;
      readonly reason: string;
    }
  /** Something that the user should know and that stops nothing. */
  | { readonly type: 'warning'; readonly message: string };

/** Receives events, in order, synchronously. It must not throw. */
export type Emit = (event: SlipwayEvent) => void;

/** An `Emit` that drops everything. */
export const silent: Emit = () => {};
