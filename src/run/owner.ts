import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemCode } from '../errors.ts';

/** This process, as a label of what it makes in an engine. */
export function ownerLabel(): string {
  return `${machine()}:${process.pid}`;
}

/**
 * True if the process that a label names was one of this machine, and isn't there any more; one of
 * another machine may go on.
 */
export function isOwnerGone(label: unknown): boolean {
  const owner = typeof label === 'string' ? label : '';
  const colon = owner.lastIndexOf(':');
  const digits = owner.slice(colon + 1);
  if (owner.slice(0, colon) !== machine() || !/^[1-9][0-9]{0,9}$/.test(digits)) return false;
  const pid = Number(digits);
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}

/** Where our process ids mean something: containers of one name have their own. */
function machine(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
