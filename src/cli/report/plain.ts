import type { Emit, SendReason, SlipwayEvent } from '../../events.ts';
import { type Output, safeLine } from '../output.ts';
import { formatBytes } from '../units.ts';

export interface PlainReporter {
  readonly emit: Emit;
  /** Stops the heartbeat. */
  stop(): void;
}

const HEARTBEAT_MS = 15_000;

/** A line when something happens, and a heartbeat while nothing does: for CI logs and files. */
export function plainReporter(output: Output, heartbeatMs = HEARTBEAT_MS): PlainReporter {
  const active = new Map<string, { bytes: number; size: number; target: string }>();
  let wroteAt = performance.now();
  const write = (line: string): void => {
    wroteAt = performance.now();
    output.err(`${safeLine(line)}\n`);
  };
  const timer = setInterval(() => {
    if (active.size === 0 || performance.now() - wroteAt < heartbeatMs) return;
    let bytes = 0;
    let size = 0;
    for (const piece of active.values()) {
      bytes += piece.bytes;
      size += piece.size;
    }
    const pieces = `${active.size} ${active.size === 1 ? 'piece' : 'pieces'}`;
    write(`… ${formatBytes(bytes)} of ${formatBytes(size)} in ${pieces} under way`);
  }, heartbeatMs);
  timer.unref();
  return {
    emit(event) {
      track(event, active);
      const line = describeEvent(event);
      if (line !== undefined) write(line);
    },
    stop: () => clearInterval(timer),
  };
}

function track(
  event: SlipwayEvent,
  active: Map<string, { bytes: number; size: number; target: string }>,
): void {
  if (event.type === 'transfer.progress') {
    const key = `${event.target} ${event.digest}`;
    active.set(key, { bytes: event.bytes, size: event.size, target: event.target });
  } else if (event.type === 'transfer.done') {
    active.delete(`${event.target} ${event.digest}`);
  } else if (event.type === 'compress.progress') {
    active.set(event.digest, { bytes: event.bytes, size: event.size, target: 'compression' });
  } else if (event.type === 'compress.done') {
    active.delete(event.digest);
  }
}

const WHY: Readonly<Record<SendReason, string>> = {
  absent: '',
  'mount-refused': ', it could not be mounted',
  lost: ' again, the registry had lost it',
};

/** The line for an event that is worth one. */
export function describeEvent(event: SlipwayEvent): string | undefined {
  switch (event.type) {
    case 'transfer.done': {
      const how = {
        uploaded: `sent${WHY[event.reason ?? 'absent']}`,
        present: 'already there',
        mounted: `mounted from ${event.from ?? 'another repository'}`,
      }[event.status];
      const what = event.kind === 'manifest' ? 'manifest' : 'blob';
      return `${event.target}: ${what} ${short(event.digest)} ${how} (${formatBytes(event.size)})`;
    }
    case 'compress.done':
      return `compressed ${short(event.digest)} to ${short(event.compressedDigest)} (${formatBytes(event.size)} to ${formatBytes(event.compressedSize)})`;
    case 'tag':
      return event.previous === undefined
        ? `${event.target}: ${event.reference} is ${event.digest}`
        : `${event.target}: ${event.reference} moved from ${event.previous} to ${event.digest}`;
    case 'tag.restored':
      return event.to === undefined
        ? `${event.target}: ${event.reference} was new and is gone again`
        : `${event.target}: ${event.reference} is back at ${event.to}`;
    case 'retry':
      if (event.isAsked) {
        return `${event.host} asks to wait ${Math.ceil(event.delayMs / 1000)} s: ${event.reason}`;
      }
      return `${event.reason}; trying again in ${(event.delayMs / 1000).toFixed(1)} s`;
    case 'build.start': {
      const version = event.version === undefined ? '' : ` ${event.version}`;
      const instead = event.instead === undefined ? '' : ` (${event.instead})`;
      return `building with ${event.engine}${version}${instead}`;
    }
    case 'build.step': {
      const platform = event.platform === undefined ? '' : `${event.platform}: `;
      return `${platform}${event.step}${event.isCached ? ' (cached)' : ''}`;
    }
    case 'build.output':
      return `${event.engine}: ${event.line}`;
    case 'http.request':
      return `debug: ${event.id} > ${event.method} ${event.url} login: ${event.login}${headerText(event.headers)}`;
    case 'http.response':
      return `debug: ${event.id} < ${event.status} in ${event.durationMs} ms, ${event.method} ${event.url}${headerText(event.headers)}`;
    case 'http.failure':
      return `debug: ${event.id} < no answer in ${event.durationMs} ms, ${event.method} ${event.url}: ${event.reason}`;
    case 'warning':
      return `warning: ${event.message}`;
    default:
      return undefined;
  }
}

function headerText(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `; ${name}: ${value}`)
    .join('');
}

/** Enough of a digest to tell it from others. */
export function short(digest: string): string {
  const colon = digest.indexOf(':');
  return digest.slice(0, colon + 13);
}
