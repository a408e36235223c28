import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { printable } from '../bytes/printable.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { type EngineAddress, formatEngineAddress } from './address.ts';

const KEPT_STDERR = 2000;

/**
 * A connection to an engine on another machine, through the `ssh` program with its own
 * configuration, keys and agent, as docker's own command makes it.
 */
export function dialThroughSsh(address: EngineAddress & { readonly kind: 'ssh' }): Duplex {
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
  return streamOf(child, formatEngineAddress(address));
}

function streamOf(child: ChildProcessWithoutNullStreams, name: string): Duplex {
  let said = '';
  let failure: unknown;
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_STDERR);
  });
  const stream = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk, _encoding, done) => void child.stdin.write(chunk, (error) => done(error)),
    final: (done) => void child.stdin.end(() => done()),
    destroy(error, done) {
      child.kill('SIGTERM');
      done(error);
    },
  });
  child.stdout.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) child.stdout.pause();
  });
  // What goes wrong is told by the end of the program.
  child.stdin.on('error', () => {});
  child.on('error', (error) => {
    failure = error;
  });
  child.on('close', (code) => {
    if (code === 0 && failure === undefined) stream.push(null);
    else stream.destroy(sshError(name, said, failure));
  });
  return stream;
}

function sshError(name: string, said: string, cause: unknown): SlipwayError {
  const isMissing = systemCode(cause) === 'ENOENT';
  const what = isMissing ? 'there is no ssh program here' : printable(said) || 'ssh ended';
  return new SlipwayError('NO_ENGINE', `no connection to ${name}: ${what}`, {
    hint: isMissing
      ? 'install an OpenSSH client'
      : 'ssh must get there without a question, and docker (or podman) must be installed there',
    ...(cause === undefined ? {} : { cause }),
  });
}
