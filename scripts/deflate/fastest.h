/*
 * Level 1, in place of libdeflate's own (docs/decisions/0077-level-1.md has what it gains).
 * Included by lib/deflate_compress.c.
 *
 * A bucket is one word with the last four positions of the same hash, the latest one lowest. Only
 * the lower 15 bits of a position count, so an old one is taken for a younger one that lies in the
 * window. What stands there is compared anyway, so nothing has to be cleared, moved or checked as
 * the window moves.
 */
#define BUCKET_ENTRIES 4
#define HASHED_BYTES 5
/* The search reads words, and looks at the position after the one it is at, too. */
#define SEARCH_MARGIN 16
/* After so many literals in a row (as a power of two) one position more is passed over each time. */
#define PATIENCE_ORDER 7
/* Data with fewer literals than one in so many bytes is worth a longer search. */
#define RICH_IN_MATCHES 8

/* The bytes at a position, and who had the same hash. */
struct place {
	const u8 *at;
	u32 pos;
	u64 bytes;
	u64 bucket;
};

static forceinline u64 load_bytes(const u8 *p)
{
	u64 bytes;

	__builtin_memcpy(&bytes, p, sizeof(bytes));
	return bytes;
}

/* Takes down where the bytes were seen. Returns what was in the bucket. */
static forceinline u64 take_down(u64 *buckets, u64 bytes, u32 pos)
{
	u64 hash = (bytes << (64 - 8 * HASHED_BYTES)) * 0x9E3779B185EBCA87;
	u64 *bucket = &buckets[hash >> (64 - FAST_BUCKET_ORDER)];
	u64 before = *bucket;

	*bucket = before << 16 | (u16)pos;
	return before;
}

static forceinline struct place visit(u64 *buckets, const u8 *in, const u8 *at)
{
	struct place place = { .at = at, .pos = at - in, .bytes = load_bytes(at) };

	place.bucket = take_down(buckets, place.bytes, place.pos);
	return place;
}

/* From 1 to 32768, and never before the input: an empty entry stands for its first byte. */
static forceinline u32 offset_of(const struct place *place, unsigned entry)
{
	u32 past = place->pos - 1 - (u32)(place->bucket >> (16 * entry));

	return (past & (MATCHFINDER_WINDOW_SIZE - 1)) + 1;
}

/* How many bytes are the same: 8 at most. */
static forceinline u32 same_bytes(const struct place *place, u32 offset)
{
	return (u32)__builtin_ctzg(load_bytes(place->at - offset) ^ place->bytes, 64) >> 3;
}

/*
 * The best of the first entries, as same_bytes << 2 | BUCKET_ENTRIES - 1 - entry. It has no
 * branches, for nothing could foretell them.
 */
static forceinline u32 best_entry(const struct place *place, int entries)
{
	u32 best = 0;

#pragma clang loop unroll(full)
	for (int entry = 0; entry < entries; entry++) {
		u32 same = same_bytes(place, offset_of(place, entry));

		best = MAX(best, same << 2 | (BUCKET_ENTRIES - 1 - entry));
	}
	return best;
}

/* The longest match, once it is known that there is one. */
static forceinline u32 longest_match(const struct place *place, u32 best, int entries,
				     const u8 *in_end, u32 *offset_ret)
{
	u32 max_length = MIN(in_end - place->at, DEFLATE_MAX_MATCH_LEN);
	int entry = BUCKET_ENTRIES - 1 - (best & 3);
	u32 length = best >> 2;

	*offset_ret = offset_of(place, entry);
	if (length < 8) {
#pragma clang loop unroll(full)
		for (int i = entries; i < BUCKET_ENTRIES; i++) {
			u32 offset = offset_of(place, i);
			u32 same = same_bytes(place, offset);

			if (same > length) {
				length = same;
				*offset_ret = offset;
				entry = i;
			}
		}
		if (length < 8)
			return length;
	}
	length = lz_extend(place->at, place->at - *offset_ret, 8, max_length);
	while (++entry < BUCKET_ENTRIES && length < max_length) {
		u32 offset = offset_of(place, entry);
		const u8 *match = place->at - offset;

		if (load_bytes(match + length - 7) == load_bytes(place->at + length - 7) &&
		    load_bytes(match) == place->bytes) {
			u32 found = lz_extend(place->at, match, 8, max_length);

			if (found > length) {
				length = found;
				*offset_ret = offset;
			}
		}
	}
	return length;
}

/* Finds matches up to about search_end. Returns where it ended; the literals before are counted. */
static forceinline const u8 *
find_matches(struct libdeflate_compressor * restrict c, const u8 *in, const u8 *in_next,
	     const u8 *search_end, const u8 *in_end, struct deflate_sequence **seq_p, int entries)
{
	u64 * restrict buckets = c->p.f.buckets;
	struct deflate_sequence *seq = *seq_p;
	const u8 *literals = in_next;

	/* Nothing stands before the first byte, so it can be no match. */
	if (in_next == in)
		c->freqs.litlen[*in_next++]++;
	while (in_next < search_end && seq < &c->p.f.sequences[FAST_SEQ_STORE_LENGTH]) {
		/* Two positions at once, for most have no match. */
		struct place first = visit(buckets, in, in_next);
		u32 best_first = best_entry(&first, entries);
		struct place second = visit(buckets, in, in_next + 1);
		u32 best_second = best_entry(&second, entries);
		const u8 *seen = in_next + 2;
		u32 length, offset;

		if (MAX(best_first, best_second) < HT_MATCHFINDER_MIN_MATCH_LEN << 2) {
			const u8 *next = seen + ((in_next - literals) >> PATIENCE_ORDER);

			c->freqs.litlen[in_next[0]]++;
			c->freqs.litlen[in_next[1]]++;
			in_next = seen;
			next = MIN(next, search_end);
			while (unlikely(in_next < next))
				c->freqs.litlen[*in_next++]++;
			continue;
		}
		if (MIN(best_first, best_second) >= 8 << 2) {
			u32 offset_second, length_second;

			length = longest_match(&first, best_first, entries, in_end, &offset);
			length_second = longest_match(&second, best_second, entries, in_end,
						      &offset_second);
			if (length_second > length + 1) {
				c->freqs.litlen[*in_next++]++;
				length = length_second;
				offset = offset_second;
			}
		} else {
			if (best_second >> 2 > best_first >> 2) {
				c->freqs.litlen[*in_next++]++;
				first = second;
				best_first = best_second;
			}
			length = longest_match(&first, best_first, entries, in_end, &offset);
		}
		seq->litrunlen_and_length = in_next - literals;
		deflate_choose_match(c, length, offset, false, &seq);
		in_next += length;
		literals = in_next;
		for (; seen < in_next; seen += 2)
			take_down(buckets, load_bytes(seen), seen - in);
	}
	seq->litrunlen_and_length = in_next - literals;
	*seq_p = seq;
	return in_next;
}

/* Each kind of search is a function of its own: one with both takes the engine more memory. */
static __attribute__((noinline)) const u8 *
search_quickly(struct libdeflate_compressor *c, const u8 *in, const u8 *in_next,
	       const u8 *search_end, const u8 *in_end, struct deflate_sequence **seq_p)
{
	return find_matches(c, in, in_next, search_end, in_end, seq_p, 1);
}

static __attribute__((noinline)) const u8 *
search_well(struct libdeflate_compressor *c, const u8 *in, const u8 *in_next,
	    const u8 *search_end, const u8 *in_end, struct deflate_sequence **seq_p)
{
	return find_matches(c, in, in_next, search_end, in_end, seq_p, BUCKET_ENTRIES);
}

static void
deflate_compress_fast(struct libdeflate_compressor * restrict c,
		      const u8 *in, size_t in_nbytes,
		      struct deflate_output_bitstream *os)
{
	const u8 *in_next = in + c->dictionary_nbytes;
	const u8 * const in_end = in + in_nbytes;
	const u8 * const in_search_end = in_end - MIN(in_nbytes, SEARCH_MARGIN);
	bool rich = false;

	memset(c->p.f.buckets, 0, sizeof(c->p.f.buckets));
	for (const u8 *seen = in; seen < in_next; seen++)
		take_down(c->p.f.buckets, load_bytes(seen), seen - in);
	do {
		const u8 * const in_block_begin = in_next;
		const u8 * const in_max_block_end =
			choose_max_block_end(in_next, in_end, FAST_SOFT_MAX_BLOCK_LENGTH);
		const u8 * const search_end = MIN(in_max_block_end, in_search_end);
		struct deflate_sequence *seq = c->p.f.sequences;
		u32 literals = 0;

		deflate_begin_sequences(c, seq);
		in_next = rich ? search_well(c, in, in_next, search_end, in_end, &seq)
			       : search_quickly(c, in, in_next, search_end, in_end, &seq);
		if (in_next >= in_search_end) {
			seq->litrunlen_and_length += in_end - in_next;
			while (in_next < in_end)
				c->freqs.litlen[*in_next++]++;
		}
		for (unsigned i = 0; i < DEFLATE_NUM_LITERALS; i++)
			literals += c->freqs.litlen[i];
		rich = literals < (in_next - in_block_begin) / RICH_IN_MATCHES;
		deflate_finish_block(c, os, in_block_begin, in_next - in_block_begin,
				     c->p.f.sequences, in_next == in_end);
	} while (in_next != in_end && !os->overflow);
}
