/* Reading the pages of an LMDB file without trusting them, see page.c. */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE_MIN 512
#define PAGE_SIZE_MAX 65536
#define PAGE_DEPTH_MAX 32
#define PAGE_META_SIZE 152 /* of a meta page, the rest is zeros */

/* Pages to be read in place of those in the file, see edge.c. */
struct page_images {
    uint32_t page_size;
    size_t count;
    uint64_t *pgnos;
    unsigned char *bytes; /* of all, side by side */
};

/* One committed state of the tree, as its meta page gives it (meta.h). */
struct page_snapshot {
    int fd;
    uint32_t page_size;
    const char *name;                 /* of the file, for sentences */
    const struct page_images *images; /* or NULL; they live as long as the snapshot */
    unsigned depth;                   /* levels of the tree; 0: it is empty */
    unsigned free_depth;              /* ... of the tree of free pages */
    uint64_t txnid;
    uint64_t root, free_root;
    uint64_t last_page;
    uint64_t entries;
    uint64_t overflow_count;  /* overflow pages, of the tree */
    uint64_t tree_page_count; /* all its pages, as the meta page counts them */
    uint64_t file_size;
    bool one_meta;  /* the other meta page is not sound, or not of the commit before */
    bool has_other; /* the other meta page is sound */
    unsigned char meta[PAGE_META_SIZE], other_meta[PAGE_META_SIZE]; /* as they are */
    struct page_cache
        *cache; /* NULL, or of this state or another; nothing overwrites its pages meanwhile */
};

/*
 * Calls `visit` with each page of a tree, in no order: branches, leaves, and overflow pages one by
 * one. What it returns other than 0 ends the walk and is returned. Without `with_content`, `page` is
 * NULL but for branches, and leaves are read only when the tree has overflow pages, whose numbers
 * are there; with it, their nodes must be as page_check_writable requires, and what they do not use is
 * zeros. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM. Of a forged tree it may visit a page many times: the
 * caller must end that.
 */
int page_each(const struct page_snapshot *tree, bool with_content,
              int (*visit)(uint64_t pgno, const unsigned char *page, void *ctx), void *ctx);

/*
 * A place in a snapshot: a node of a leaf, and the pages on the path to it. It begins as
 * {.snapshot = ...} and ends with page_cursor_free, which also takes a zeroed one.
 */
struct page_cursor {
    const struct page_snapshot *snapshot;
    unsigned char *pages; /* one for each level, owned; NULL before the first page_seek */
    unsigned char *leaf;  /* where the next leaf is to be read; NULL: to the last of `pages` */
    /*
     * Up to `leaf_max` leaves may be read there at once, those that begin with `until` or before: page_next_leaf then
     * moves `leaf` on while `ahead_count` of them are left. 0: one at a time.
     */
    unsigned leaf_max, ahead_count;
    const void *until;
    size_t until_size;
    unsigned level_count; /* sound pages on the path, the leaf included */
    struct {
        unsigned index, count;
    } level[PAGE_DEPTH_MAX];
};

void page_cursor_free(struct page_cursor *cursor);

/* The page on the path at a level, 0 the root. */
const unsigned char *page_on_path(const struct page_cursor *cursor, unsigned level);

/*
 * Goes to the first node that is not less than `key`, or, NULL, to the last node: reads the pages
 * on the path. EVLOG_NOTFOUND: the tree is empty. EVLOG_DAMAGED: a page on the path is not sound;
 * page_next_leaf goes on after it. EVLOG_IO, EVLOG_NOMEM.
 */
int page_seek(struct page_cursor *cursor, const void *key, size_t key_size);

/* The same; does not read pages again that are on the path to the key, too. The pages must have stayed as they were. */
int page_seek_near(struct page_cursor *cursor, const void *key, size_t key_size);

/* Goes to the next leaf. EVLOG_NOTFOUND: that was the last. EVLOG_DAMAGED, EVLOG_IO. */
int page_next_leaf(struct page_cursor *cursor);

/*
 * The key at which the next leaf begins, as the branches have it: what lies beyond a page that
 * is not sound. false: there is none.
 */
bool page_next_key(const struct page_cursor *cursor, const void **key, size_t *key_size);

/* A node of a leaf; all of it lies inside the page. */
struct page_node {
    const void *key;
    size_t key_size;
    const void *data; /* NULL: on overflow pages from `overflow` on */
    size_t data_size;
    uint64_t overflow;
};

uint64_t page_number(const unsigned char *page);
unsigned page_node_count(const unsigned char *page);

/*
 * Clears what is between the nodes of a branch or leaf and their offsets, which liblmdb never reads: it may have
 * anything that was in the page before.
 */
void page_clear_unused(unsigned char *page);
void page_node_at(const unsigned char *leaf, unsigned index, struct page_node *node);

/* The order of keys: less than 0, 0 or greater than 0, as of memcmp. */
int page_key_compare(const void *a, size_t a_size, const void *b, size_t b_size);

/* The index of the cursor's node in its leaf, perhaps one past the last. */
unsigned page_cursor_index(const struct page_cursor *cursor);

/*
 * The cursor's node; past the last of a leaf, the first of the next one. EVLOG_NOTFOUND: there are
 * no more. EVLOG_DAMAGED, EVLOG_IO.
 */
int page_cursor_node(struct page_cursor *cursor, struct page_node *node);

/* Goes to the next node. */
void page_cursor_step(struct page_cursor *cursor);

/*
 * Whether liblmdb can put or delete at the place page_seek came to: it moves nodes by the sizes
 * that they give, makes keys of branches of their keys, which must be in order, and frees overflow pages by
 * the number and the count in the first of them. EVLOG_DAMAGED, EVLOG_IO.
 */
int page_check_writable(const struct page_cursor *cursor);

/*
 * Whether the keys of the leaf are those for which the branches above lead to it. Where they are not, page_seek comes
 * to another leaf for some of them.
 */
bool page_leaf_is_in_place(const struct page_cursor *cursor);

/* The part of it that is about the node at that place alone. */
int page_check_node(const struct page_cursor *cursor);

/*
 * The same for deleting there: liblmdb may then merge each page on the path with the one before or
 * behind it, so these must be sound, too. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM.
 */
int page_check_deletable(const struct page_cursor *cursor);

#define PAGE_HEADER_SIZE 16

/*
 * Reads a node's data from its overflow pages: `bytes` gets PAGE_HEADER_SIZE + data_size bytes,
 * the data after the header. EVLOG_DAMAGED, EVLOG_IO.
 */
int page_read_overflow(const struct page_snapshot *snapshot, const struct page_node *node,
                       unsigned char *bytes);

/*
 * Copies a node's data, of at most `size_max` bytes, and after it the key (or NULL: not asked for)
 * into a block of memory that begins with the data, for the caller to free.
 * EVLOG_DAMAGED (too long, too), EVLOG_IO, EVLOG_NOMEM.
 */
int page_copy(const struct page_snapshot *snapshot, const struct page_node *node, size_t size_max,
              unsigned char **data, const unsigned char **key);

#endif
