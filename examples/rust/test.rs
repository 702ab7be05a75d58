// SPDX-License-Identifier: MIT
//! Tests Quarry as the global allocator of a program.
use std::alloc::{alloc, alloc_zeroed, dealloc, realloc, Layout};
use std::collections::{BTreeMap, HashMap};

#[global_allocator]
static HEAP: quarry::Quarry = quarry::Quarry;

extern "C" {
    fn quarry_usable_size(object: *const u8) -> usize;
    fn quarry_verify();
}

struct Results {
    passed: u32,
    failed: u32,
}

impl Results {
    fn check(&mut self, holds: bool, what: &str) {
        println!("{} - {}", if holds { "ok" } else { "not ok" }, what);
        *(if holds { &mut self.passed } else { &mut self.failed }) += 1;
    }
}

fn every_layout() -> bool {
    let mut right = true;
    for shift in 0..14 {
        let alignment = 1usize << shift;
        for bytes in [1, 8, 24, 100, 1000, 5000, 100_000] {
            let layout = Layout::from_size_align(bytes, alignment).unwrap();
            unsafe {
                let object = alloc(layout);
                right &= !object.is_null() && object as usize % alignment == 0;
                right &= quarry_usable_size(object) >= bytes;
                object.write_bytes(0xa5, bytes);
                dealloc(object, layout);
                let zeroed = alloc_zeroed(layout);
                right &= (0..bytes).all(|at| *zeroed.add(at) == 0);
                dealloc(zeroed, layout);
            }
        }
    }
    right
}

fn grows(alignment: usize) -> bool {
    let mut right = true;
    let mut bytes = 16;
    unsafe {
        let mut layout = Layout::from_size_align(bytes, alignment).unwrap();
        let mut object = alloc(layout);
        for at in 0..bytes {
            *object.add(at) = at as u8;
        }
        while bytes < 50_000 {
            let wanted = bytes + bytes / 3 + 1;
            object = realloc(object, layout, wanted);
            layout = Layout::from_size_align(wanted, alignment).unwrap();
            right &= object as usize % alignment == 0;
            right &= (0..bytes).all(|at| *object.add(at) == at as u8);
            for at in bytes..wanted {
                *object.add(at) = at as u8;
            }
            bytes = wanted;
        }
        object = realloc(object, layout, 40);
        right &= (0..40).all(|at| *object.add(at) == at as u8);
        dealloc(object, Layout::from_size_align(40, alignment).unwrap());
    }
    right
}

fn collections() -> bool {
    let mut tree = BTreeMap::new();
    let mut table = HashMap::new();
    for i in 0..5000u64 {
        tree.insert(i * 7919 % 5003, format!("value {}", i));
        table.insert(format!("key {}", i), vec![i; (i % 30) as usize]);
    }
    let right = table.iter().all(|(key, values)| {
        values.iter().all(|value| key == &format!("key {}", value))
    });
    right && tree.len() == 5000 && table.len() == 5000
}

fn too_much_is_null() -> bool {
    let layout = Layout::from_size_align(1 << 40, 8).unwrap();
    // Volatile, because a compiler may remove an allocation whose result is unused.
    unsafe {
        let one = alloc(layout);
        let other = alloc_zeroed(layout);
        std::ptr::read_volatile(&one).is_null() && std::ptr::read_volatile(&other).is_null()
    }
}

fn main() {
    let mut results = Results { passed: 0, failed: 0 };
    results.check(every_layout(), "every layout, also zeroed");
    results.check([1, 8, 16, 32, 4096].into_iter().all(grows), "growing keeps contents and alignment");
    results.check(collections(), "collections");
    results.check(too_much_is_null(), "exhausted memory returns a null pointer");
    unsafe { quarry_verify() };
    println!("{} passed, {} failed", results.passed, results.failed);
    std::process::exit((results.failed != 0) as i32);
}
