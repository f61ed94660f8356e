;; effect: Metric { name: b"fans_on", kind: Counter, value_bits: 4607182418800017408 }
;; effect: Metric { name: b"mean", kind: Gauge, value_bits: 13835339530258874368 }
(f64.store (i32.const 64) (f64.const 1))
(drop (call $metric (i32.const 0) `fans_on` (i32.const 64)))
(f64.store (i32.const 64) (f64.const -2.125))
(drop (call $metric (i32.const 1) `mean` (i32.const 64)))
---
;; ends: metric
;; says: kind 0 (counter) or 1 (gauge), not 2
(drop (call $metric (i32.const 2) `a` (i32.const 64)))
---
;; ends: metric
;; says: 'fans-on' is no name of a metric
(drop (call $metric (i32.const 0) `fans-on` (i32.const 64)))
---
;; ends: metric
(drop (call $metric (i32.const 0) `` (i32.const 64)))
---
;; ends: metric
(drop (call $metric (i32.const 0) `7a` (i32.const 64)))
---
;; ends: metric
;; says: the metric 'a' cannot take the value NaN
(f64.store (i32.const 64) (f64.const nan))
(drop (call $metric (i32.const 1) `a` (i32.const 64)))
---
;; ends: metric
(f64.store (i32.const 64) (f64.const inf))
(drop (call $metric (i32.const 1) `a` (i32.const 64)))
---
;; ends: metric
;; says: at least 0 for a counter
(f64.store (i32.const 64) (f64.const -1))
(drop (call $metric (i32.const 0) `a` (i32.const 64)))
---
;; ends: pointer
(drop (call $metric (i32.const 0) `a` (i32.const 65529)))
