import { constants } from 'node:os';
import path from 'node:path';
import type { CommandLine, HealthCheck, Instruction } from '../dockerfile/instruction.ts';
import { quoted, syntaxError, type Where } from '../dockerfile/text.ts';
import type { StageState } from './build-run.ts';
import type { Expander } from './expander.ts';
import { addHistory, changeConfig, goList } from './history.ts';
import { withEnv } from './image-config.ts';

type ConfigInstruction = Exclude<
  Instruction,
  { readonly keyword: 'ARG' | 'COPY' | 'ADD' | 'RUN' | 'WORKDIR' }
>;

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** Carries out an instruction that changes only the config. History reads as BuildKit's does. */
export function configStep(
  state: StageState,
  instruction: ConfigInstruction,
  expand: Expander,
  created: string,
): void {
  const line = changeBy(state, instruction, expand);
  if (line !== undefined) addHistory(state, created, line);
}

/** Changes the config, and says what stands in the history. */
function changeBy(
  state: StageState,
  instruction: ConfigInstruction,
  expand: Expander,
): string | undefined {
  const { config } = state.image;
  switch (instruction.keyword) {
    case 'ENV': {
      const pairs = expandedPairs(instruction, expand);
      let env = config.Env ?? [];
      for (const [name, value] of pairs) {
        env = withEnv(env, name, value);
        state.args.delete(name);
      }
      changeConfig(state, { Env: env });
      return `ENV ${pairs.map((pair) => pair.join('=')).join(' ')}`;
    }
    case 'LABEL': {
      const pairs = expandedPairs(instruction, expand);
      changeConfig(state, { Labels: { ...config.Labels, ...Object.fromEntries(pairs) } });
      return `LABEL ${pairs.map((pair) => pair.join('=')).join(' ')}`;
    }
    case 'CMD': {
      const words = commandWords(state, instruction.command);
      changeConfig(state, { Cmd: words });
      state.isCmdSet = true;
      return `CMD ${goList(words)}`;
    }
    case 'ENTRYPOINT': {
      const words = commandWords(state, instruction.command);
      // A base's CMD was meant for its own entry point.
      changeConfig(state, { Entrypoint: words, ...(state.isCmdSet ? {} : { Cmd: [] }) });
      return `ENTRYPOINT ${goList(words)}`;
    }
    case 'EXPOSE': {
      const ports = expand
        .words(instruction.text)
        .flatMap((port) => portsOf(port, instruction.where));
      const exposed = Object.fromEntries(ports.map((port) => [port, {}]));
      changeConfig(state, { ExposedPorts: { ...config.ExposedPorts, ...exposed } });
      return `EXPOSE map[${[...new Set(ports)]
        .sort()
        .map((port) => `${port}:{}`)
        .join(' ')}]`;
    }
    case 'VOLUME': {
      const volumes = instruction.words.map(expand.word);
      if (volumes.includes('')) throw syntaxError(instruction.where, 'VOLUME needs paths');
      const added = Object.fromEntries(volumes.map((volume) => [volume, {}]));
      changeConfig(state, { Volumes: { ...config.Volumes, ...added } });
      return `VOLUME [${volumes.join(' ')}]`;
    }
    case 'USER': {
      const user = expand.word(instruction.text);
      changeConfig(state, { User: user });
      return `USER ${user}`;
    }
    case 'STOPSIGNAL': {
      const signal = expand.word(instruction.text);
      checkSignal(signal, instruction.where);
      changeConfig(state, { StopSignal: signal });
      return `STOPSIGNAL ${signal}`;
    }
    case 'SHELL':
      changeConfig(state, { Shell: instruction.words });
      return `SHELL [${instruction.words.join(' ')}]`;
    case 'HEALTHCHECK':
      changeConfig(state, { Healthcheck: instruction.check });
      return `HEALTHCHECK ${goHealthCheck(instruction.check)}`;
    case 'ONBUILD':
      changeConfig(state, { OnBuild: [...(config.OnBuild ?? []), instruction.trigger] });
      return undefined;
    case 'MAINTAINER':
      state.image = { ...state.image, author: instruction.text };
      return `MAINTAINER ${instruction.text}`;
  }
}

/** Where WORKDIR leads. */
export function workingDirectory(state: StageState, given: string): string {
  return path.posix.resolve('/', state.image.config.WorkingDir ?? '/', given);
}

function expandedPairs(
  { pairs, keyword, where }: Instruction & { readonly keyword: 'ENV' | 'LABEL' },
  expand: Expander,
): readonly (readonly [string, string])[] {
  return pairs.map(({ name, value }) => {
    const expanded = expand.word(name);
    if (expanded === '') throw syntaxError(where, `${keyword} has an empty name`);
    return [expanded, expand.word(value)] as const;
  });
}

function commandWords(state: StageState, command: CommandLine): readonly string[] {
  if (command.form === 'list') return command.words;
  return [...(state.image.config.Shell ?? DEFAULT_SHELL), command.text];
}

function portsOf(text: string, where: Where): readonly string[] {
  const [, from = '', to = from, protocol = 'tcp'] =
    /^([0-9]{1,5})(?:-([0-9]{1,5}))?(?:\/([A-Za-z]+))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  const kind = protocol.toLowerCase();
  const isPort = from !== '' && first >= 1 && last <= 65535 && first <= last;
  if (!isPort || !['tcp', 'udp', 'sctp'].includes(kind)) {
    throw syntaxError(where, `${quoted(text)} is no port`, 'write 80, 80/udp or 8000-8010');
  }
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${kind}`);
}

function checkSignal(signal: string, where: Where): void {
  const name = signal.toUpperCase().replace(/^SIG/, '');
  const isKnown =
    Object.hasOwn(constants.signals, `SIG${name}`) ||
    /^RTM(?:IN(?:\+[0-9]+)?|AX(?:-[0-9]+)?)$/.test(name);
  if (isKnown || /^[1-9][0-9]?$/.test(signal)) return;
  throw syntaxError(where, `${quoted(signal)} is no signal`, 'write SIGTERM or a number');
}

/** As Go prints the struct with %q. */
function goHealthCheck(check: HealthCheck): string {
  const times = [check.Interval, check.Timeout, check.StartPeriod, check.StartInterval];
  const retries = `'\\x${(check.Retries ?? 0).toString(16).padStart(2, '0')}'`;
  const parts = times.map((nanoseconds) => JSON.stringify(goDuration(nanoseconds ?? 0)));
  return `&{${goList(check.Test)} ${parts.join(' ')} ${retries}}`;
}

function goDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const seconds = nanoseconds / 1e9;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = `${Number((seconds % 60).toFixed(9))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
