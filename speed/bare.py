"""What anybody would write without the suite: the reference of most rows."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speed.ours import Subject


class BareLoop:
    """A plain PyTorch loop over float images that lie in memory already, which costs it nothing.

    Network, optimizer, learning rate, batch size and order of the examples are the subject's.
    """

    def __init__(self, subject: Subject) -> None:
        training = subject.config.training
        task = subject.stream.train[0]
        self.network = subject.plain_network()
        self.images, self.labels = task.images(subject.device), task.labels.to(subject.device)
        self.batch_size = training.batch_size
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=training.learning_rate)
        self.generator = subject.seeds.generator("batches")

    def epochs(self, number: int) -> None:
        """Pass over the images so many times."""
        for _ in range(number):
            self.epoch()

    def epoch(self) -> None:
        order = torch.randperm(len(self.images), generator=self.generator).to(self.images.device)
        for positions in order.split(self.batch_size):
            self.optimizer.zero_grad()
            F.cross_entropy(self.network(self.images[positions]), self.labels[positions]).backward()
            self.optimizer.step()


@torch.no_grad()
def forward_passes(network: nn.Module, images: Tensor, *, batch_size: int, times: int) -> None:
    """Put all images through the network, batch by batch, so many times."""
    network.eval()
    for _ in range(times):
        for part in images.split(batch_size):
            network(part)
