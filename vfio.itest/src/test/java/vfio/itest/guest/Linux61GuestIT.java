package vfio.itest.guest;

/** The driver of Linux 6.1, as Debian ships it. */
class Linux61GuestIT extends NetworkGuest {
    Linux61GuestIT() {
        super("6.1");
    }
}
