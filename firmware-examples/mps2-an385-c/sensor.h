/* The room sensor: what the device measures, is asked to do and is to become. */
#ifndef SENSOR_H
#define SENSOR_H

#include "fleetfn_device.h"

/* Does what is due. */
void sensor_measure(fleetfn_device *device);

/* Something happened. */
void sensor_handle(fleetfn_device *device, const fleetfn_notice *notice);

#endif
