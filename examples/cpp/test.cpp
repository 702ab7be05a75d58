// SPDX-License-Identifier: MIT
// Tests all forms of new and delete with Quarry, containers, and exhausted memory.

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "quarry.h"

static unsigned passed, failed;

static void check(bool holds, const char *what)
{
    std::printf("%s - %s\n", holds ? "ok" : "not ok", what);
    ++(holds ? passed : failed);
}

static std::size_t live_objects()
{
    struct quarry_stats stats;
    quarry_stats(&stats);
    return stats.small_live_objects + stats.large_live_objects;
}

static bool is_aligned(const void *object, std::size_t alignment)
{
    return reinterpret_cast<std::uintptr_t>(object) % alignment == 0;
}

struct alignas(128) line_pair {
    char bytes[128];
};

struct counted {
    static inline int alive = 0;
    counted() { ++alive; }
    ~counted() { --alive; }
    char bytes[40];
};

static void plain()
{
    bool right = true;
    for (std::size_t bytes = 0; bytes < 3000; bytes += 7) {
        char *object = new char[bytes];
        right = right && is_aligned(object, 16) && quarry_usable_size(object) >= bytes;
        delete[] object;
    }
    check(right, "any size, aligned to 16");
    counted *array = new counted[100];
    bool alive = counted::alive == 100;
    delete[] array; // sized: the compiler passes the size with the array's count
    check(alive && counted::alive == 0, "arrays of objects with a destructor");
    ::operator delete(::operator new(24), std::size_t{24});
    ::operator delete[](::operator new[](1000), std::size_t{1000});
    ::operator delete(nullptr, std::size_t{24});
    delete static_cast<char *>(nullptr);
    check(true, "sized delete, and delete of null pointers");
}

static void aligned()
{
    auto *one = new line_pair;
    auto *many = new line_pair[5];
    auto *odd = ::operator new(100, std::align_val_t{4096});
    check(is_aligned(one, 128) && is_aligned(many, 128) && is_aligned(odd, 4096), "aligned new");
    delete one;
    delete[] many;
    ::operator delete(odd, 100, std::align_val_t{4096});
    auto *quiet = new (std::nothrow) line_pair;
    check(quiet != nullptr && is_aligned(quiet, 128), "aligned nothrow new");
    delete quiet;
}

static void exhausted()
{
    // Volatile, because a compiler may remove a new whose result is unused.
    void *volatile object = ::operator new(std::size_t{1} << 40, std::nothrow);
    check(object == nullptr, "nothrow new returns a null pointer");
    object = ::operator new(SIZE_MAX, std::nothrow);
    check(object == nullptr, "nothrow new of SIZE_MAX returns a null pointer");
    bool thrown = false;
    try {
        object = ::operator new(std::size_t{1} << 40);
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    check(thrown, "plain new throws std::bad_alloc");
}

static void containers()
{
    std::map<std::string, std::vector<int>> table;
    for (int i = 0; i < 2000; i++)
        for (int j = 0; j < i % 50; j++)
            table["a key that is longer than a short string " + std::to_string(i)].push_back(j);
    bool right = true;
    for (const auto &[key, values] : table)
        for (std::size_t j = 0; j < values.size(); j++)
            right = right && values[j] == static_cast<int>(j);
    auto shared = std::make_shared<counted>();
    check(right && table.size() == 1960 && counted::alive == 1, "containers");
}

int main()
{
    std::printf("1..10\n");
    std::size_t before = live_objects();
    plain();
    aligned();
    exhausted();
    containers();
    check(live_objects() == before, "no object is left");
    quarry_verify();
    std::printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
