import { createLane, type Lane } from '../bytes/lane.ts';
import type { Digest } from '../oci/digest.ts';
import type { PendingBlob } from './graph.ts';
import { createPieces, type Pieces } from './pieces.ts';
import { isInRegistry, type Target } from './transport.ts';

/** What shares connections and mounts: a registry's host, or one local place. */
export interface Host<Owner extends object> {
  readonly name: string;
  readonly isRegistry: boolean;
  readonly large: Lane;
  readonly small: Lane;
  readonly streams: Lane;
  /** the first repository of the host that a blob goes to: the others mount it from there */
  readonly firsts: Map<Digest, { readonly path: string; readonly arrived: Promise<boolean> }>;
  /** false once a blob that surely was in another repository could not be mounted from there */
  grantsMounts: boolean;
  /** blobs that are streamed while they are made, each once */
  readonly streamed: Map<PendingBlob, Promise<void>>;
  readonly owners: Owner[];
}

/** A repository, layout or archive that something goes to. */
export interface TargetPlace<Owner extends object> {
  readonly host: Host<Owner>;
  /** path of a repository */
  readonly path: string | undefined;
  readonly pieces: Pieces<Owner>;
}

/** Blobs up to here have a lane of their own, so that none waits behind layers. */
const SMALL_BYTES = 1024 * 1024;
const LARGE_AT_ONCE = 8;
const SMALL_AT_ONCE = 16;
/** Each holds some blocks in memory while it is being compressed. */
const STREAMS_AT_ONCE = 4;

/** Finds the place of each target: two targets of one repository are one place. */
export function createPlaces<Owner extends object>(
  jobs: number | undefined,
  signal: AbortSignal | undefined,
): (target: Target, host: string | undefined, owner: Owner) => TargetPlace<Owner> {
  const hosts = new Map<string | Target, Host<Owner>>();
  const places = new Map<string | Target, TargetPlace<Owner>>();
  const hostOf = (target: Target, name: string | undefined): Host<Owner> => {
    const known = hosts.get(name ?? target);
    if (known !== undefined) return known;
    const large = createLane(Math.min(jobs ?? LARGE_AT_ONCE, 64));
    const host: Host<Owner> = {
      name: name ?? `${hosts.size} ${target.name}`,
      isRegistry: name !== undefined,
      large,
      small: jobs === undefined ? createLane(SMALL_AT_ONCE) : large,
      streams: jobs === undefined ? createLane(STREAMS_AT_ONCE) : large,
      firsts: new Map(),
      grantsMounts: true,
      streamed: new Map(),
      owners: [],
    };
    hosts.set(name ?? target, host);
    return host;
  };
  return (target, hostName, owner) => {
    const path = isInRegistry(target) ? target.repository.path : undefined;
    const host = hostOf(target, hostName);
    host.owners.push(owner);
    const key = path === undefined ? target : `${host.name}/${path}`;
    let place = places.get(key);
    if (place === undefined) {
      place = { host, path, pieces: createPieces<Owner>(signal) };
      places.set(key, place);
    }
    return place;
  };
}

/** The lane of a host for a blob. */
export function laneFor(host: Host<object>, sizeBytes: number): Lane {
  return sizeBytes <= SMALL_BYTES ? host.small : host.large;
}
