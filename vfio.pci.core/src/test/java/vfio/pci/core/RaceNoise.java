package vfio.pci.core;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.ThreadLocalRandom;
import net.bytebuddy.ByteBuddy;
import net.bytebuddy.asm.AsmVisitorWrapper;
import net.bytebuddy.jar.asm.MethodVisitor;
import net.bytebuddy.jar.asm.Opcodes;
import net.bytebuddy.jar.asm.Type;
import net.bytebuddy.matcher.ElementMatchers;
import net.bytebuddy.utility.OpenedClassReader;

/**
 * Makes a copy of a class that gives its processor away, now and then, before each step that other threads can see. What
 * takes an unlucky moment on a busy machine happens all the time then.
 */
final class RaceNoise {
    private static final int ONE_IN = 4;

    private RaceNoise() {}

    /** Gives the processor away, or not. */
    @SuppressWarnings("ThreadPriorityCheck")
    static void perhaps() {
        if (ThreadLocalRandom.current().nextInt(ONE_IN) == 0) {
            Thread.yield();
        }
    }

    /** Writes the copy of a class, to be found before the original. */
    static void copy(Class<?> original, Path folder) throws IOException {
        AsmVisitorWrapper steps = new AsmVisitorWrapper.ForDeclaredMethods()
                .invokable(
                        ElementMatchers.any(),
                        (type, method, visitor, context, types, writing, reading) -> withNoise(visitor));
        new ByteBuddy().redefine(original).visit(steps).make().saveIn(folder.toFile());
    }

    private static MethodVisitor withNoise(MethodVisitor visitor) {
        return new MethodVisitor(OpenedClassReader.ASM_API, visitor) {
            @Override
            public void visitMethodInsn(int opcode, String owner, String name, String descriptor, boolean isInterface) {
                if (owner.startsWith("java/util/concurrent/") && opcode != Opcodes.INVOKESPECIAL) {
                    super.visitMethodInsn(
                            Opcodes.INVOKESTATIC, Type.getInternalName(RaceNoise.class), "perhaps", "()V", false);
                }
                super.visitMethodInsn(opcode, owner, name, descriptor, isInterface);
            }
        };
    }
}
