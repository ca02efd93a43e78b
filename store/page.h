/* Reading the pages of an LMDB file without trusting them, see page.c. */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_DEPTH_MAX 32

/* One committed state of the tree, as its meta page tells it. */
struct page_snapshot {
    int fd;
    uint32_t page_size;
    const char *name; /* the file's, for sentences */
    unsigned depth;   /* levels of the tree; 0: it is empty */
    uint64_t txnid;
    uint64_t root;
    uint64_t last_page;
    uint64_t entries;
    uint64_t file_size;
    int one_meta; /* the other meta page is not sound */
};

/*
 * Reads the newest sound meta page. EVLOG_DAMAGED: there is none. EVLOG_IO.
 * `name`, the file's, is kept for the sentences.
 */
int page_snapshot_read(int fd, const char *name, struct page_snapshot *snapshot);

/* A place between two leaves of a snapshot: the path to the one in `leaf`. */
struct page_cursor {
    const struct page_snapshot *snapshot;
    unsigned char *branches; /* depth - 1 pages, owned */
    unsigned level_count;    /* sound pages on the path, the leaf included */
    struct {
        unsigned index, count;
    } level[PAGE_DEPTH_MAX];
};

/* EVLOG_NOMEM. page_cursor_free takes one that was never opened, zeroed. */
int page_cursor_open(struct page_cursor *cursor, const struct page_snapshot *snapshot);
void page_cursor_free(struct page_cursor *cursor);

/*
 * Reads the leaf in which `key` is or would be into `leaf` (page_size bytes) and
 * sets `*index` to the first node not less than it, perhaps one past the last.
 * NULL: the last leaf, and its last node. EVLOG_NOTFOUND: the tree is empty.
 * EVLOG_DAMAGED: a page on the way is not sound; page_next_leaf goes on after it.
 * EVLOG_IO.
 */
int page_seek(struct page_cursor *cursor, const void *key, size_t key_size, unsigned char *leaf,
              unsigned *index);

/* Reads the leaf after this one. EVLOG_NOTFOUND: that was the last. EVLOG_DAMAGED, EVLOG_IO. */
int page_next_leaf(struct page_cursor *cursor, unsigned char *leaf);

/*
 * The key at which the next leaf begins, as the branches tell it: what lies
 * beyond a page that is not sound. 0 when there is none.
 */
int page_next_key(const struct page_cursor *cursor, const void **key, size_t *key_size);

/*
 * Whether liblmdb can change the leaf that page_seek came to, and the branches above it: it takes nodes out
 * by the size that they tell. EVLOG_DAMAGED.
 */
int page_check_way(const struct page_cursor *cursor, const unsigned char *leaf);

/* A node of a leaf; all of it lies inside the page. */
struct page_node {
    const void *key;
    size_t key_size;
    const void *data; /* NULL: on overflow pages from `overflow` on */
    size_t data_size;
    uint64_t overflow;
};

unsigned page_node_count(const unsigned char *page);
void page_node_at(const unsigned char *leaf, unsigned index, struct page_node *node);

#define PAGE_HEADER_SIZE 16

/*
 * Reads a node's data from its overflow pages: `bytes` gets PAGE_HEADER_SIZE +
 * data_size bytes, the data behind the header. EVLOG_DAMAGED, EVLOG_IO.
 */
int page_read_overflow(const struct page_snapshot *snapshot, const struct page_node *node,
                       unsigned char *bytes);

/*
 * Whether liblmdb can take a node's overflow pages away, which it does by the number and the
 * count in the first of them. EVLOG_DAMAGED, EVLOG_IO.
 */
int page_check_overflow(const struct page_snapshot *snapshot, const struct page_node *node);

/*
 * Reads the value of a key, of at most `size_max` bytes, into memory for the
 * caller to free. EVLOG_NOTFOUND, EVLOG_DAMAGED (too long, too), EVLOG_IO, EVLOG_NOMEM.
 */
int page_get(const struct page_snapshot *snapshot, const void *key, size_t key_size,
             size_t size_max, void **bytes, size_t *size);

/*
 * The first byte of the first key that is not less than `key`: what there is where
 * a key is missing. EVLOG_NOTFOUND: nothing. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int page_peek(const struct page_snapshot *snapshot, const void *key, size_t key_size,
              unsigned char *first);

#endif
