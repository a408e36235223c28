import assert from 'node:assert/strict';
import { createHash, randomInt } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import {
  type Answer,
  type Ask,
  type Document,
  descriptor,
  digestOfJson,
  encode,
  type Rig,
  sha,
} from './rig.ts';
import type { Served } from './served.ts';

/** Blobs that many have, and mount from each other. */
const SHARED = 20;
const OF_ONE_REPOSITORY = 4;
const TRIES = 100;

interface Image extends Document {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
  readonly subject?: { readonly mediaType: string; readonly digest: string; readonly size: number };
}

/** What a name of a blob stands for: the same bytes each time, and none kept in memory. */
function bytesOf(seed: string): Buffer {
  const [first = 0] = createHash('sha256').update(seed).digest();
  const outputLength = first < 16 ? 700_000 : 1 + first * 60;
  return createHash('shake256', { outputLength }).update(seed).digest();
}

/**
 * A client that pushes, pulls, lists, deletes and gives up, and knows what the registry has to hold:
 * what was acknowledged, or for what it got no answer, one of two things.
 */
export class SoakClient {
  readonly number: number;
  /** steps that came to their end */
  done = 0;
  readonly #repositories: number;
  readonly #repository: string;
  readonly #images = new Map<string, Image>();
  /** the digests that each tag may name, undefined for none */
  readonly #tags = new Map<string, readonly (string | undefined)[]>();
  /** the seed of each blob, by its digest */
  readonly #seeds = new Map<string, string>();
  #blobs = 0;

  constructor(number: number, clients: number) {
    this.number = number;
    this.#repositories = Math.ceil(clients / OF_ONE_REPOSITORY);
    this.#repository = `soak/r${Math.floor(number / OF_ONE_REPOSITORY)}`;
  }

  /** Works until the signal. A registry that isn't killed must not fail. */
  async work(registry: () => Served, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const served = registry();
      try {
        await this.#step(served);
        this.done += 1;
      } catch (error) {
        if (!served.isKilled) throw error;
        await sleep(50);
      }
    }
  }

  /** Everything that the registry acknowledged is there, byte by byte. */
  async verify(served: Rig): Promise<void> {
    const digests = new Set<string>();
    for (const [digest, image] of this.#images) {
      await this.#pullImage(served, digest, image);
      for (const blob of [image.config, ...image.layers]) digests.add(blob.digest);
    }
    for (const digest of digests) await this.#pullBlob(served, digest);
    for (const tag of this.#tags.keys()) await this.#pullTag(served, tag);
    await this.#list(served);
  }

  async #step(served: Served): Promise<void> {
    const steps = [
      ...Array.from({ length: 8 }, () => () => this.#publish(served)),
      ...Array.from({ length: 6 }, () => () => this.#pull(served)),
      () => this.#list(served),
      () => this.#refer(served),
      () => this.#untag(served),
      () => this.#remove(served),
      () => this.#giveUp(served),
      () => this.#removeBlob(served),
    ];
    await steps[randomInt(steps.length)]?.();
  }

  async #publish(served: Served): Promise<void> {
    const tag = `c${this.number}-${randomInt(4)}`;
    const count = 1 + randomInt(3);
    const layers = Array.from({ length: count }, () => this.#choose(MEDIA_TYPE.ociLayer));
    const config = this.#choose(MEDIA_TYPE.ociConfig, true);
    for (const { digest } of [config, ...layers]) await this.#pushBlob(served, digest);
    const [subject] = randomInt(6) === 0 ? this.#images.keys() : [];
    const mediaType = MEDIA_TYPE.ociManifest;
    const image: Image = {
      schemaVersion: 2,
      mediaType,
      config,
      layers,
      ...(subject === undefined ? {} : { subject: { mediaType, digest: subject, size: 1 } }),
    };
    const digest = digestOfJson(image);
    this.#tags.set(tag, [...this.#allowed(tag), digest]);
    const answer = await this.#try(served, async () => {
      const put = await this.#ask(served, 'PUT', `manifests/${tag}`, {
        body: encode(image),
        headers: { 'content-type': mediaType },
      });
      if (put.status !== 404 || put.code() !== 'MANIFEST_BLOB_UNKNOWN') return put;
      // Its garbage was collected meanwhile: this client was slow.
      for (const lost of put.json<{ errors: [{ detail: { digests: string[] } }] }>().errors[0]
        .detail.digests) {
        await this.#pushBlob(served, lost);
      }
      return undefined;
    });
    assert.equal(answer.status, 201, answer.body.toString());
    assert.equal(answer.headers['docker-content-digest'], digest);
    this.#images.set(digest, image);
    this.#tags.set(tag, [digest]);
  }

  /** A blob of its own, or one that others have too. */
  #choose(mediaType: string, isOwn = randomInt(10) > 3) {
    const seed = isOwn ? `${this.number}/${this.#blobs++}` : `shared/${randomInt(SHARED)}`;
    const described = descriptor(bytesOf(seed), mediaType);
    this.#seeds.set(described.digest, seed);
    return described;
  }

  async #pushBlob(served: Served, digest: string): Promise<void> {
    const bytes = bytesOf(this.#seeds.get(digest) ?? '');
    const half = Math.floor(bytes.byteLength / 2);
    const answer = await this.#try(served, async () => {
      const way = randomInt(5);
      if (way === 0) {
        const head = await this.#ask(served, 'HEAD', `blobs/${digest}`);
        if (head.status === 200) return head;
      }
      if (way === 1) {
        return await this.#ask(served, 'POST', `blobs/uploads/?digest=${digest}`, { body: bytes });
      }
      const from = `soak/r${randomInt(this.#repositories)}`;
      const query = way === 2 ? `?mount=${digest}&from=${from}` : '';
      const begun = await this.#ask(served, 'POST', `blobs/uploads/${query}`);
      if (begun.status !== 202) return begun;
      const { location = '' } = begun.headers;
      const put = `${location}?digest=${digest}`;
      if (way === 2) return await served.ask('PUT', put, { body: bytes });
      const patched = await served.ask('PATCH', location, { body: bytes.subarray(0, half) });
      if (patched.status !== 202) return patched;
      return await served.ask('PUT', put, { body: bytes.subarray(half) });
    });
    assert.ok([200, 201].includes(answer.status), `${answer.status} ${answer.body}`);
    if (answer.status === 200)
      assert.equal(answer.headers['content-length'], `${bytes.byteLength}`);
  }

  async #pull(served: Served): Promise<void> {
    const found = [...this.#images][randomInt(Math.max(1, this.#images.size))];
    const tag = [...this.#tags.keys()][randomInt(Math.max(1, this.#tags.size))];
    if (tag !== undefined) await this.#pullTag(served, tag);
    if (found === undefined) return;
    const [digest, image] = found;
    await this.#pullImage(served, digest, image);
    for (const blob of [image.config, ...image.layers]) await this.#pullBlob(served, blob.digest);
  }

  async #pullTag(served: Rig, tag: string): Promise<void> {
    const answer = await this.#ask(served, 'GET', `manifests/${tag}`);
    const digest = answer.status === 404 ? undefined : sha(answer.body);
    const isRight = this.#allowed(tag).includes(digest);
    assert.ok(isRight, `${tag} is ${digest}, not ${this.#allowed(tag)}`);
  }

  async #pullImage(served: Rig, digest: string, image: Image): Promise<void> {
    const answer = await this.#ask(served, 'GET', `manifests/${digest}`);
    assert.equal(answer.status, 200, `${this.#repository}@${digest}: ${answer.body}`);
    assert.ok(answer.body.equals(encode(image)));
  }

  async #pullBlob(served: Rig, digest: string): Promise<void> {
    const bytes = bytesOf(this.#seeds.get(digest) ?? '');
    const first = randomInt(3) === 0 ? randomInt(bytes.byteLength) : 0;
    const headers = first === 0 ? {} : { range: `bytes=${first}-` };
    const answer = await this.#ask(served, 'GET', `blobs/${digest}`, { headers });
    assert.equal(answer.status, first === 0 ? 200 : 206, `${this.#repository} ${digest}`);
    assert.equal(sha(answer.body), sha(bytes.subarray(first)));
  }

  async #list(served: Rig): Promise<void> {
    const answer = await this.#ask(served, 'GET', 'tags/list');
    const { tags = [] } = answer.status === 404 ? {} : answer.json<{ tags?: string[] }>();
    for (const [tag, allowed] of this.#tags) {
      if (!allowed.includes(undefined)) assert.ok(tags.includes(tag), tag);
    }
  }

  async #refer(served: Served): Promise<void> {
    const [subject] = this.#images.keys();
    if (subject === undefined) return;
    const answer = await this.#ask(served, 'GET', `referrers/${subject}`);
    const { manifests } = answer.json<{ manifests: { digest: string }[] }>();
    const listed = manifests.map(({ digest }) => digest);
    for (const [digest, image] of this.#images) {
      if (image.subject?.digest === subject) assert.ok(listed.includes(digest), digest);
    }
  }

  async #untag(served: Served): Promise<void> {
    const [tag] = this.#tags.keys();
    if (tag === undefined) return;
    const before = this.#allowed(tag);
    this.#tags.set(tag, [...before, undefined]);
    const answer = await this.#ask(served, 'DELETE', `manifests/${tag}`);
    if (answer.status !== 202) assert.ok(answer.status === 404 && before.includes(undefined));
    this.#tags.delete(tag);
  }

  async #remove(served: Served): Promise<void> {
    const [digest] = this.#images.keys();
    if (digest === undefined) return;
    this.#images.delete(digest);
    const named = [...this.#tags].filter(([, allowed]) => allowed.includes(digest));
    for (const [tag, allowed] of named) this.#tags.set(tag, [...allowed, undefined]);
    const answer = await this.#ask(served, 'DELETE', `manifests/${digest}`);
    assert.equal(answer.status, 202);
    const gone = await this.#ask(served, 'HEAD', `manifests/${digest}`);
    assert.equal(gone.status, 404);
  }

  async #removeBlob(served: Served): Promise<void> {
    const { digest } = this.#choose('', true);
    await this.#pushBlob(served, digest);
    const answer = await this.#ask(served, 'DELETE', `blobs/${digest}`);
    assert.ok([202, 404].includes(answer.status));
    assert.equal((await this.#ask(served, 'HEAD', `blobs/${digest}`)).status, 404);
  }

  /** Cancels an upload, leaves it, or goes away in the middle of it. */
  async #giveUp(served: Served): Promise<void> {
    const begun = await this.#ask(served, 'POST', 'blobs/uploads/');
    const { location = '' } = begun.headers;
    if (begun.status !== 202) return;
    const way = randomInt(3);
    if (way === 0) await served.ask('DELETE', location);
    if (way > 1) return;
    const body = Readable.from(
      (async function* () {
        yield bytesOf(location);
        throw new Error('cut');
      })(),
    );
    await served.ask('PATCH', location, { body }).catch(() => {});
  }

  #allowed(tag: string): readonly (string | undefined)[] {
    return this.#tags.get(tag) ?? [undefined];
  }

  async #ask(served: Rig, method: string, path: string, ask: Ask = {}): Promise<Answer> {
    const answer = await served.ask(method, `/v2/${this.#repository}/${path}`, ask);
    assert.ok(answer.status < 500, `${method} ${path}: ${answer.status} ${answer.body}`);
    return answer;
  }

  /** Tries again where the registry is busy, or collected the garbage that this client brought. */
  async #try(served: Served, work: () => Promise<Answer | undefined>): Promise<Answer> {
    for (let count = 0; count < TRIES; count++) {
      const answer = await work();
      if (answer !== undefined && ![404, 409, 429].includes(answer.status)) return answer;
      await sleep(answer === undefined ? 0 : 20);
    }
    throw new Error(`${served.registry.url} is busy for ever`);
  }
}
