import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { printable } from '../bytes/printable.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { type EngineAddress, formatEngineAddress } from './address.ts';

const KEPT_STDERR = 2000;

/**
 * Makes a connection to an engine on another machine, through the `ssh` program with its own
 * configuration, keys and agent, as docker's own command does.
 *
 * @throws SlipwayError `NO_ENGINE`; later failures destroy the stream with one
 */
export async function dialThroughSsh(
  address: EngineAddress & { readonly kind: 'ssh' },
): Promise<Duplex> {
  const { program, host, user, port, path } = address;
  const socket =
    path === undefined ? [] : [program === 'podman' ? '--url' : '--host', `unix://${path}`];
  const child = spawn('ssh', [
    '-o',
    'ConnectTimeout=30',
    '-T',
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', port]),
    '--',
    host,
    program,
    ...socket,
    'system',
    'dial-stdio',
  ]);
  const name = formatEngineAddress(address);
  await once(child, 'spawn').catch((cause: unknown) => {
    throw sshError(name, '', cause);
  });
  return streamOf(child, name);
}

function streamOf(child: ChildProcessWithoutNullStreams, name: string): Duplex {
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_STDERR);
  });
  const stream = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk, _encoding, done) => void child.stdin.write(chunk, () => done()),
    final: (done) => void child.stdin.end(() => done()),
    destroy(error, done) {
      child.kill('SIGTERM');
      done(error);
    },
  });
  child.stdout.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) child.stdout.pause();
  });
  // What goes wrong with a write is told, in better words, by the end of the program.
  child.stdin.on('error', () => {});
  child.on('error', () => {});
  child.on('close', (code) => {
    if (code === 0) stream.push(null);
    else stream.destroy(sshError(name, said));
  });
  return stream;
}

function sshError(name: string, said: string, cause?: unknown): SlipwayError {
  const isMissing = systemCode(cause) === 'ENOENT';
  const what = isMissing ? 'there is no ssh program here' : printable(said) || 'ssh ended';
  return new SlipwayError('NO_ENGINE', `no connection to ${name}: ${what}`, {
    hint: isMissing
      ? 'install an OpenSSH client'
      : 'ssh must get there without a question, and docker (or podman) must be installed there',
    ...(cause === undefined ? {} : { cause }),
  });
}
