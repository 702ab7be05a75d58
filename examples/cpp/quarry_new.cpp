// SPDX-License-Identifier: MIT
//
// C++ with Quarry: every form of new and delete. Compile this one file into the kernel; it needs no
// other part of the C++ library. quarry.h declares its functions extern "C".
//
// If memory is exhausted, plain new throws std::bad_alloc. Without exceptions (-fno-exceptions, as
// in kernels) it stops the machine with a report, because it must not return a null pointer. A
// caller that can continue without the memory uses new (std::nothrow).
//
// The compiler may assume that plain new returns memory aligned to 16
// (__STDCPP_DEFAULT_NEW_ALIGNMENT__), also for sizes that are not multiples of 16. Quarry aligns
// only sizes that are multiples of 16 to 16, so this file rounds sizes up, for sized delete too.

#include <new>

#include "quarry.h"

static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ == 16, "rounded() gives this alignment");

static std::size_t rounded(std::size_t bytes)
{
    return bytes > SIZE_MAX - 15 ? bytes : (bytes + 15) & ~std::size_t{15};
}

[[noreturn]] static void no_memory()
{
#ifdef __cpp_exceptions
    throw std::bad_alloc();
#else
    quarry_port_panic("quarry: new: out of memory");
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

// quarry_free_sized() is not for objects of quarry_aligned().
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
