/* SPDX-License-Identifier: MIT */
/*
 * The load of this kernel: three kinds of threads, one of each kind per CPU, while every timer
 * interrupt allocates. At the end the memory in use must be the same as before.
 *
 *     post office   messages of all sizes, freed by the thread that receives them
 *     page tables   trees of frames, which are built, walked and freed
 *     file tree     directories and files in memory, which grow when they are written
 */
#include "thread.h"

#define COPIES_MAX 16

static struct semaphore done;
static unsigned long checks, errors; /* atomic */

static void check(bool holds, const char *what)
{
    __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED);
    if (holds)
        return;
    __atomic_add_fetch(&errors, 1, __ATOMIC_RELAXED);
    print("not ok - %s\n", what);
}

static uint32_t random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void *must(void *object)
{
    if (object == NULL)
        panic("out of memory");
    return object;
}

/* ---- post office ---- */

enum { MESSAGES = 20000, MESSAGES_WAITING_MAX = 500 };

struct message {
    struct list node;
    uint32_t length;
    uint8_t mark;
    uint8_t text[];
};

struct mailbox {
    struct spinlock lock;
    struct list messages;
    struct semaphore filled, space;
};

static struct mailbox mailboxes[COPIES_MAX];
static unsigned mailbox_count;

static void mailbox_put(struct mailbox *box, struct message *message)
{
    semaphore_down(&box->space);
    uint64_t flags = spinlock_acquire(&box->lock);
    list_add(&box->messages, &message->node);
    spinlock_release(&box->lock, flags);
    semaphore_up(&box->filled);
}

static struct message *mailbox_get(struct mailbox *box)
{
    semaphore_down(&box->filled);
    uint64_t flags = spinlock_acquire(&box->lock);
    struct message *message = container_of(list_pop(&box->messages), struct message, node);
    spinlock_release(&box->lock, flags);
    semaphore_up(&box->space);
    return message;
}

/* Each sender sends the same number of messages to every mailbox. */
static void send(void *number)
{
    uint64_t seed = (uint64_t)number;
    for (unsigned i = 0; i < MESSAGES * mailbox_count; i++) {
        uint32_t length = random(&seed) % (i % 100 == 0 ? 20000 : 600);
        struct message *message = must(quarry_alloc(sizeof *message + length));
        message->length = length;
        message->mark = (uint8_t)i;
        memset(message->text, message->mark, length);
        mailbox_put(&mailboxes[i % mailbox_count], message);
    }
    semaphore_up(&done);
}

static void receive(void *number)
{
    struct mailbox *box = &mailboxes[(uint64_t)number];
    bool intact = true;
    for (unsigned i = 0; i < MESSAGES * mailbox_count; i++) {
        struct message *message = mailbox_get(box);
        for (uint32_t at = 0; at < message->length; at += 64)
            intact = intact && message->text[at] == message->mark;
        quarry_free(message);
    }
    check(intact && list_is_empty(&box->messages), "every message is received unchanged");
    semaphore_up(&done);
}

static void open_mailboxes(unsigned count)
{
    mailbox_count = count;
    for (unsigned i = 0; i < count; i++) {
        list_init(&mailboxes[i].messages);
        semaphore_init(&mailboxes[i].filled, 0);
        semaphore_init(&mailboxes[i].space, MESSAGES_WAITING_MAX);
    }
}

/* ---- page tables ---- */

enum { LEVELS = 4, MAPPED_PAGES = 3000, TREES = 40 };

static uint64_t *table_at(uint64_t entry)
{
    return at_physical(entry & ~(PAGE_BYTES - 1));
}

static uint64_t table_new(void)
{
    uint64_t frame = quarry_frame_alloc(0);
    if (frame == 0)
        panic("no frame for a page table");
    memset(at_physical(frame), 0, PAGE_BYTES);
    return frame;
}

/* The entry for an address. If a table is missing: with `build` allocates it, else returns NULL. */
static uint64_t *entry_for(uint64_t tree, uint64_t address, bool build)
{
    uint64_t *table = table_at(tree);
    for (unsigned level = LEVELS - 1; level > 0; level--) {
        uint64_t *entry = &table[address >> (12 + 9 * level) & 511];
        if (*entry == 0 && !build)
            return NULL;
        if (*entry == 0)
            *entry = table_new() | 1;
        table = table_at(*entry);
    }
    return &table[address >> 12 & 511];
}

static unsigned long tree_free(uint64_t table, unsigned level)
{
    unsigned long pages = 0;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t entry = table_at(table)[i];
        if (entry != 0)
            pages += level == 0 ? 1 : tree_free(entry, level - 1);
    }
    quarry_frame_free(table & ~(PAGE_BYTES - 1), 0);
    return pages;
}

/* Addresses of distinct pages: runs of 30 pages, spread over the address space. */
static uint64_t page_address(unsigned i)
{
    return (uint64_t)(i / 30) * 0x13fffe7000 % (1ul << 47) + i % 30 * PAGE_BYTES;
}

static void build_page_tables(void *number)
{
    for (unsigned round = 0; round < TREES; round++) {
        uint64_t tree = table_new();
        bool correct = true;
        for (unsigned i = 0; i < MAPPED_PAGES; i++)
            *entry_for(tree, page_address(i), true) = (uint64_t)i << 12 | 3;
        for (unsigned i = 0; i < MAPPED_PAGES; i++) {
            const uint64_t *entry = entry_for(tree, page_address(i), false);
            correct = correct && entry != NULL && *entry == ((uint64_t)i << 12 | 3);
        }
        check(correct, "each page is mapped at its address");
        check(tree_free(tree, LEVELS - 1) == MAPPED_PAGES, "all pages are unmapped");
    }
    semaphore_up(&done);
    (void)number;
}

/* ---- file tree ---- */

enum { FILES = 400, DIRECTORIES = 20, WRITES = 8000, TREE_ROUNDS = 5 };

struct file {
    char *name;
    unsigned char *text;
    size_t bytes;
};

struct directory {
    struct directory *parent;
    struct file *files; /* an array that grows with the directory */
    size_t count;
};

static char *name_of(unsigned number)
{
    char digits[16];
    unsigned length = 0;
    do
        digits[length++] = (char)('a' + number % 26);
    while ((number /= 26) > 0);
    char *name = must(quarry_zeroed(length + 6));
    memcpy(name, "file-", 5);
    memcpy(name + 5, digits, length);
    return name;
}

static struct file *file_find(struct directory *directory, const char *name)
{
    for (size_t i = 0; i < directory->count; i++)
        if (strlen(directory->files[i].name) == strlen(name) &&
            memcmp(directory->files[i].name, name, strlen(name)) == 0)
            return &directory->files[i];
    return NULL;
}

static void file_create(struct directory *directory, char *name)
{
    size_t bytes = (directory->count + 1) * sizeof *directory->files;
    directory->files = must(quarry_realloc(directory->files, bytes));
    directory->files[directory->count++] = (struct file){name, NULL, 0};
}

static void file_append(struct file *file, size_t bytes)
{
    file->text = must(quarry_realloc(file->text, file->bytes + bytes));
    for (size_t i = 0; i < bytes; i++)
        file->text[file->bytes + i] = (unsigned char)(file->bytes + i);
    file->bytes += bytes;
}

/* Whether `root` is `directory` or one of its parents. */
static bool is_below(const struct directory *directory, const struct directory *root)
{
    while (directory != NULL && directory != root)
        directory = directory->parent;
    return directory == root;
}

static bool directory_free(struct directory *directory)
{
    bool correct = true;
    for (size_t i = 0; i < directory->count; i++) {
        struct file *file = &directory->files[i];
        for (size_t at = 0; at < file->bytes; at++)
            correct = correct && file->text[at] == (unsigned char)at;
        quarry_free(file->text);
        quarry_free(file->name);
    }
    quarry_free(directory->files);
    quarry_free_sized(directory, sizeof *directory);
    return correct;
}

static void write_files(void *number)
{
    uint64_t seed = (uint64_t)number + 1000;
    for (unsigned round = 0; round < TREE_ROUNDS; round++) {
        struct directory *directories[DIRECTORIES];
        for (unsigned i = 0; i < DIRECTORIES; i++) {
            directories[i] = must(quarry_zeroed(sizeof *directories[i]));
            directories[i]->parent = i > 0 ? directories[random(&seed) % i] : NULL;
        }
        for (unsigned i = 0; i < FILES; i++)
            file_create(directories[i % DIRECTORIES], name_of(i));
        for (unsigned i = 0; i < WRITES; i++) {
            unsigned chosen = random(&seed) % FILES;
            char *name = name_of(chosen);
            struct file *file = file_find(directories[chosen % DIRECTORIES], name);
            quarry_free(name);
            if (file != NULL)
                file_append(file, random(&seed) % 500);
            else
                check(false, "a file is found by its name");
        }
        bool correct = true;
        for (unsigned i = 0; i < DIRECTORIES; i++)
            correct = is_below(directories[i], directories[0]) && correct;
        for (unsigned i = 0; i < DIRECTORIES; i++)
            correct = directory_free(directories[i]) && correct;
        check(correct, "each file has its content, and each directory is below the root");
    }
    semaphore_up(&done);
}

/* ---- the whole load ---- */

/* Memory in use: allocated and not freed. */
static size_t live_bytes(void)
{
    struct quarry_stats stats;
    quarry_drain(); /* an interrupt makes each CPU drain its cache */
    quarry_scavenge();
    quarry_stats(&stats);
    size_t held = (stats.frames_total - stats.frames_free) * PAGE_BYTES;
    return held - stats.arena_bytes - stats.metadata_bytes + stats.small_live_bytes +
           stats.large_live_bytes;
}

/* live_bytes(), repeated until it is stable: timer interrupts, idle CPUs and ending threads change
 * it. */
static size_t stable_live_bytes(void)
{
    size_t before, bytes = live_bytes();
    unsigned tries = 0;
    quiet = true;
    do {
        before = bytes;
        for (unsigned i = 0; i < 20; i++)
            __asm__ volatile("int $0x20"); /* the timer's vector: other threads run */
        bytes = live_bytes();
    } while (bytes != before && ++tries < 1000);
    return bytes;
}

static void run_all(unsigned copies)
{
    static void (*const loads[])(void *) = {send, receive, build_page_tables, write_files};
    unsigned started = 0;
    open_mailboxes(copies);
    for (uint64_t i = 0; i < copies; i++)
        for (unsigned load = 0; load < sizeof loads / sizeof loads[0]; load++)
            started += thread_start(loads[load], (void *)i);
    check(started == 4 * copies, "every thread is started");
    print("%u threads started\n", started);
    for (unsigned i = 0; i < started; i++)
        semaphore_down(&done);
}

void demo(void *unused)
{
    (void)unused;
    unsigned copies = cpu_count < COPIES_MAX ? cpu_count : COPIES_MAX;
    semaphore_init(&done, 0);
    size_t before = stable_live_bytes();
    quiet = false;
    run_all(copies);
    size_t after = stable_live_bytes();
    check(after == before, "all memory is freed");
    quarry_verify();
    print("threads moved between CPUs %lu times\n", thread_moves());
    print("memory in use before %lu, after %lu bytes\n", before, after);
    print("%lu passed, %lu failed\n", checks - errors, errors);
    machine_off(errors != 0);
    panic("end of the demo");
}
