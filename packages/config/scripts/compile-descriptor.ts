console.log("descriptor: not yet");
