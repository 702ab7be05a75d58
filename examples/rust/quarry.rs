// SPDX-License-Identifier: MIT
//! Quarry as Rust's global allocator, `no_std`, for kernels written in Rust.
//!
//! ```ignore
//! #[global_allocator]
//! static HEAP: quarry::Quarry = quarry::Quarry;
//! ```
//!
//! The kernel calls `quarry_init()` and `quarry_cpu_online()` first, as in C. If memory is exhausted,
//! the functions return a null pointer, and `alloc` calls the kernel's `alloc_error_handler`.
#![no_std]
#![deny(unsafe_op_in_unsafe_fn, missing_docs)]

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;

/// Functions of `quarry.h`.
mod c {
    use core::ffi::c_void;

    extern "C" {
        pub fn quarry_alloc(bytes: usize) -> *mut c_void;
        pub fn quarry_zeroed(bytes: usize) -> *mut c_void;
        pub fn quarry_aligned(alignment: usize, bytes: usize) -> *mut c_void;
        pub fn quarry_realloc(object: *mut c_void, bytes: usize) -> *mut c_void;
        pub fn quarry_free(object: *mut c_void);
        pub fn quarry_free_sized(object: *mut c_void, bytes: usize);
    }
}

/// There is one heap, so this type has no state.
pub struct Quarry;

/// Whether `quarry_alloc()` gives every object of this size this alignment. Then sized frees and
/// `quarry_realloc()` can be used.
fn is_natural(bytes: usize, alignment: usize) -> bool {
    alignment <= 8 || (alignment == 16 && bytes % 16 == 0)
}

// Safety: Quarry returns distinct, aligned blocks of at least the size, on any CPU, and does not
// unwind.
unsafe impl GlobalAlloc for Quarry {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let object = unsafe {
            if is_natural(layout.size(), layout.align()) {
                c::quarry_alloc(layout.size())
            } else {
                c::quarry_aligned(layout.align(), layout.size())
            }
        };
        object.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_natural(layout.size(), layout.align()) {
            return unsafe { c::quarry_zeroed(layout.size()) }.cast();
        }
        let object = unsafe { self.alloc(layout) };
        if !object.is_null() {
            unsafe { object.write_bytes(0, layout.size()) };
        }
        object
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        let object: *mut c_void = object.cast();
        unsafe {
            if is_natural(layout.size(), layout.align()) {
                c::quarry_free_sized(object, layout.size());
            } else {
                c::quarry_free(object);
            }
        }
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if is_natural(layout.size(), layout.align()) && is_natural(bytes, layout.align()) {
            return unsafe { c::quarry_realloc(object.cast(), bytes) }.cast();
        }
        // Safety: the caller guarantees that the new size, rounded up to the alignment, fits.
        let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            unsafe {
                moved.copy_from_nonoverlapping(object, layout.size().min(bytes));
                self.dealloc(object, layout);
            }
        }
        moved
    }
}
