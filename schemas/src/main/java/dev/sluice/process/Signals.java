package dev.sluice.process;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;

/**
 * Takes SIGTERM and SIGINT over from the JVM.
 *
 * <p>A shutdown hook would not do: the JVM exits with 143 after it however well the work was drained, and a second
 * signal, sent by somebody who will not wait, does not reach it at all. {@code sun.misc.Signal} is the supported
 * exception of JEP 260 (module {@code jdk.unsupported}) and is reached by reflection because javac's warning about it
 * cannot be turned off.
 */
public final class Signals {

    private Signals() {}

    /**
     * Calls {@code action} at each signal, in a thread of the JVM's.
     *
     * @return false if this JVM does not give its signals away ({@code -Xrs}, or a runtime without the module); then
     *     a signal ends it as if killed
     */
    public static boolean onEach(Runnable action) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            InvocationHandler call = (proxy, method, arguments) -> {
                if (method.getName().equals("handle")) {
                    action.run();
                }
                return null;
            };
            Object handling = Proxy.newProxyInstance(Signals.class.getClassLoader(), new Class<?>[] {handler}, call);
            for (String name : new String[] {"TERM", "INT"}) {
                signal.getMethod("handle", signal, handler)
                        .invoke(null, signal.getConstructor(String.class).newInstance(name), handling);
            }
            return true;
        } catch (ReflectiveOperationException e) {
            return false;
        }
    }
}
