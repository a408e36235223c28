import type { Emit, SlipwayEvent } from '../../events.ts';
import { type Output, safeLine } from '../output.ts';
import { formatBytes, formatDuration } from '../units.ts';
import { describeEvent, short } from './plain.ts';

export interface TtyReporter {
  readonly emit: Emit;
  /** Leaves the terminal to somebody else until what it gives is called. */
  hold(): () => void;
  /** Clears the live lines; finished ones stay. */
  stop(): void;
}

interface Live {
  readonly label: string;
  readonly size: number;
  readonly startedAt: number;
  bytes: number;
}

const FRAME_MS = 100;
const BAR_WIDTH = 24;
/** More live lines than this scroll on small terminals; the rest is in the total. */
const MAX_LINES = 12;

/** A live line for each blob with bytes, rate and time left, and a total, on a terminal. */
export function ttyReporter(output: Output): TtyReporter {
  const live = new Map<string, Live>();
  let drawn = 0;
  let moved = 0;
  let isHeld = false;
  let kept = '';
  const startedAt = performance.now();

  const erase = (): string => (drawn === 0 ? '' : `\u001b[${drawn}A\u001b[J`);
  const draw = (finished = ''): void => {
    if (isHeld) {
      kept += finished;
      return;
    }
    const before = erase();
    const all = [...live.values()];
    const lines = all.slice(0, MAX_LINES).map((piece) => line(piece, output.columns));
    if (all.length > 0) lines.push(total(all, moved, startedAt, output.columns));
    drawn = lines.length;
    output.err(`${before}${finished}${lines.map((text) => `${text}\n`).join('')}`);
  };
  const timer = setInterval(() => {
    if (live.size > 0 || drawn > 0) draw();
  }, FRAME_MS);
  timer.unref();

  return {
    emit(event) {
      moved += track(event, live);
      const text = describeEvent(event);
      if (text !== undefined) draw(`${safeLine(text)}\n`);
    },
    hold() {
      output.err(erase());
      drawn = 0;
      isHeld = true;
      return () => {
        isHeld = false;
        draw(kept);
        kept = '';
      };
    },
    stop() {
      clearInterval(timer);
      live.clear();
      draw();
    },
  };
}

/** Keeps the live lines; returns the bytes of a piece that ended. */
function track(event: SlipwayEvent, live: Map<string, Live>): number {
  const progress = (key: string, label: string, size: number, bytes: number): number => {
    const known = live.get(key);
    if (known === undefined) live.set(key, { label, size, bytes, startedAt: performance.now() });
    else known.bytes = bytes;
    return 0;
  };
  switch (event.type) {
    case 'transfer.progress': {
      const label = `${short(event.digest)} → ${event.target}`;
      return progress(`${event.target} ${event.digest}`, label, event.size, event.bytes);
    }
    case 'compress.progress':
      return progress(event.digest, `${short(event.digest)} compressing`, event.size, event.bytes);
    case 'transfer.done':
      live.delete(`${event.target} ${event.digest}`);
      return event.bytesSent;
    case 'compress.done':
      live.delete(event.digest);
      return 0;
    default:
      return 0;
  }
}

function line({ label, size, bytes, startedAt }: Live, columns: number): string {
  const seconds = Math.max(0.001, (performance.now() - startedAt) / 1000);
  const rate = bytes / seconds;
  const part = size === 0 ? 1 : Math.min(1, bytes / size);
  const filled = Math.round(part * BAR_WIDTH);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
  const left = rate > 0 ? formatDuration(((size - bytes) / rate) * 1000) : '';
  const numbers = `${formatBytes(bytes)} / ${formatBytes(size)}  ${formatBytes(Math.round(rate))}/s  ${left}`;
  return safeLine(`${bar} ${numbers}  ${label}`, columns - 2);
}

function total(all: readonly Live[], moved: number, startedAt: number, columns: number): string {
  const now = all.reduce((sum, { bytes }) => sum + bytes, moved);
  const elapsed = performance.now() - startedAt;
  const rate = Math.round(now / Math.max(0.001, elapsed / 1000));
  const text = `total ${formatBytes(now)} in ${formatDuration(elapsed)} (${formatBytes(rate)}/s), ${all.length} under way`;
  return safeLine(text, columns - 2);
}
