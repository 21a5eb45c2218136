// Enters: flags and the environment. Leaves: which ONNX Runtime a command loads.
import ArgumentParser
import Control
import Foundation
import Tensors

/// What every command that runs models takes.
struct RuntimeOptions: ParsableArguments {
    @Option(help: "libonnxruntime.so to load. Default: $VENCEJO_ONNXRUNTIME, then libonnxruntime.so.1 of the system.")
    var onnxruntime: String?
    @Flag(help: "Take a runtime older than the one this build was tested with.") var allowOlderOnnxruntime = false

    /// `nil`: neither a flag nor the environment names one.
    var named: String? { onnxruntime ?? ProcessInfo.processInfo.environment["VENCEJO_ONNXRUNTIME"] }

    func prober(secondsMax: Int) -> Prober {
        Prober(
            onnxRuntime: named ?? Settings.systemOnnxRuntime, allowOlder: allowOlderOnnxruntime, secondsMax: secondsMax)
    }
}

extension Prober {
    init(onnxRuntime: String, allowOlder: Bool, secondsMax: Int) {
        let older = allowOlder ? ["--allow-older-onnxruntime"] : []
        self.init(arguments: ["probe", "--onnxruntime", onnxRuntime] + older, secondsMax: secondsMax)
    }
}

extension LoadError {
    /// What a trial says where there is no runtime to try with; `log` then has the flag and the reason.
    static let noRuntime = "there is no ONNX Runtime to try it with"

    /// The sentence, with the runtime's own words: the operator of a command has no server's log.
    var words: String { sentence + (log.isEmpty || log == sentence ? "" : " (\(printable(log)))") }
}
