package vfio.itest.guest;

/** The kernel of Debian, which has groups and containers alone. */
class HostDevicesGuestIT extends HostDevicesGuest {
    HostDevicesGuestIT() {
        super("6.12", "group and container");
    }
}
