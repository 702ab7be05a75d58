// SPDX-License-Identifier: MIT
//
// C++ over Quarry: every form of new and delete. Compile this one file into the kernel; no other
// part of the C++ library is wanted. quarry.h declares its functions extern "C" by itself.
//
// Where the compiler has exceptions, memory that is gone is std::bad_alloc; where it has not
// (-fno-exceptions, as in kernels), plain new stops the machine with a report, for it must not
// return a null pointer: a caller that can go on without the memory says new (std::nothrow).
//
// A compiler may take for granted that plain new gives 16-aligned memory (as
// __STDCPP_DEFAULT_NEW_ALIGNMENT__ says), also for sizes that are no multiple of 16. Quarry's
// smallest steps are 8 bytes, so sizes are rounded up here, and for sized delete in the same way.

#include <new>

#include "quarry.h"

static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ == 16, "what rounded() gives");

static std::size_t rounded(std::size_t bytes)
{
    return bytes > SIZE_MAX - 15 ? bytes : (bytes + 15) & ~std::size_t{15};
}

[[noreturn]] static void no_memory()
{
#ifdef __cpp_exceptions
    throw std::bad_alloc();
#else
    quarry_port_panic("quarry: new: no memory");
#endif
}

static void *must(void *object)
{
    if (object == nullptr)
        no_memory();
    return object;
}

static void *allocate(std::size_t bytes) noexcept
{
    return quarry_alloc(rounded(bytes));
}

static void *allocate(std::size_t bytes, std::align_val_t alignment) noexcept
{
    return quarry_aligned(static_cast<std::size_t>(alignment), bytes);
}

static void free_sized(void *object, std::size_t bytes) noexcept
{
    if (object != nullptr)
        quarry_free_sized(object, rounded(bytes));
}

// ---- new ----

void *operator new(std::size_t bytes)
{
    return must(allocate(bytes));
}

void *operator new[](std::size_t bytes)
{
    return must(allocate(bytes));
}

void *operator new(std::size_t bytes, const std::nothrow_t &) noexcept
{
    return allocate(bytes);
}

void *operator new[](std::size_t bytes, const std::nothrow_t &) noexcept
{
    return allocate(bytes);
}

void *operator new(std::size_t bytes, std::align_val_t alignment)
{
    return must(allocate(bytes, alignment));
}

void *operator new[](std::size_t bytes, std::align_val_t alignment)
{
    return must(allocate(bytes, alignment));
}

void *operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t &) noexcept
{
    return allocate(bytes, alignment);
}

void *operator new[](std::size_t bytes, std::align_val_t alignment, const std::nothrow_t &) noexcept
{
    return allocate(bytes, alignment);
}

// ---- delete ----

void operator delete(void *object) noexcept
{
    quarry_free(object);
}

void operator delete[](void *object) noexcept
{
    quarry_free(object);
}

void operator delete(void *object, const std::nothrow_t &) noexcept
{
    quarry_free(object);
}

void operator delete[](void *object, const std::nothrow_t &) noexcept
{
    quarry_free(object);
}

void operator delete(void *object, std::size_t bytes) noexcept
{
    free_sized(object, bytes);
}

void operator delete[](void *object, std::size_t bytes) noexcept
{
    free_sized(object, bytes);
}

void operator delete(void *object, std::align_val_t) noexcept
{
    quarry_free(object);
}

void operator delete[](void *object, std::align_val_t) noexcept
{
    quarry_free(object);
}

// quarry_free_sized() is not for what quarry_aligned() gave.
void operator delete(void *object, std::size_t, std::align_val_t) noexcept
{
    quarry_free(object);
}

void operator delete[](void *object, std::size_t, std::align_val_t) noexcept
{
    quarry_free(object);
}

void operator delete(void *object, std::align_val_t, const std::nothrow_t &) noexcept
{
    quarry_free(object);
}

void operator delete[](void *object, std::align_val_t, const std::nothrow_t &) noexcept
{
    quarry_free(object);
}
