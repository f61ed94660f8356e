;; effect: TimerSet { name: b"check", payload: b"7", delay_s: 300 }
;; effect: TimerCancel { name: b"other/one" }
(drop (call $timer_set `check` `7` (i32.const 300)))
(drop (call $timer_cancel `other/one`))
---
;; event: message
;; effect: TimerSet { name: b"check", payload: b"", delay_s: 1 }
(drop (call $timer_set `check` `` (i32.const 1)))
---
;; ends: seconds
;; says: the delay of a timer is 1 to
(drop (call $timer_set `check` `` (i32.const 0)))
---
;; ends: name
;; says: '' is no name of a timer
(drop (call $timer_set `` `` (i32.const 1)))
---
;; ends: name
;; says: 'a#' is no name of a timer
(drop (call $timer_cancel `a#`))
---
;; ends: payload
(drop (memory.grow (i32.const 1)))
(drop (call $timer_set `a` (i32.const 0) (i32.const 65537) (i32.const 1)))
---
;; ends: pointer
(drop (call $timer_cancel (i32.const 65535) (i32.const 2)))
