//! tephra behind three C functions, for bench/peers.c: a send is one durable append of `batch` events.
use std::ffi::{CStr, c_char};
use tephra::{Event, EventType, SegmentConfig, SegmentSet, Tag, Tags, WriteCoordinator, WriteHandle, WriterConfig};

pub struct Log {
    coordinator: WriteCoordinator,
    handle: WriteHandle,
    event_type: EventType,
    tags: Tags,
}

fn open(path: &str) -> Result<Log, Box<dyn std::error::Error>> {
    let set = SegmentSet::open(path, SegmentConfig::new(256 * 1024 * 1024))?;
    let (coordinator, handle) = WriteCoordinator::start(set, WriterConfig::default())?;
    let event_type = EventType::new("org.openedx.learning.course.enrollment.created.v1")?;
    let tags = Tags::new([Tag::new("course:demo")?])?;
    Ok(Log { coordinator, handle, event_type, tags })
}

/// NULL: it could not be opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_tephra_open(path: *const c_char) -> *mut Log {
    let path = unsafe { CStr::from_ptr(path) }.to_str().unwrap_or("");
    match open(path) {
        Ok(log) => Box::into_raw(Box::new(log)),
        Err(_) => std::ptr::null_mut(),
    }
}

/// 0: the events are durable. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_tephra_send(log: *const Log, data: *const u8, size: usize, batch: u32) -> i32 {
    let log = unsafe { &*log };
    let data = unsafe { std::slice::from_raw_parts(data, size) };
    let events: Result<Vec<_>, _> = (0..batch).map(|_| Event::new(&log.event_type, &log.tags, data)).collect();
    match events {
        Ok(events) => i32::from(log.handle.append(events, None).is_err()),
        Err(_) => 1,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_tephra_close(log: *mut Log) {
    let log = *unsafe { Box::from_raw(log) };
    drop(log.handle);
    log.coordinator.shutdown();
}
