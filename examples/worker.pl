#!/usr/bin/env perl
# A worker in Perl, core modules only: queue-work --queue default -- perl examples/worker.pl
# Every member of %jobs is a job type; its args are a list (positional) or one value.
use strict;
use warnings;
use JSON::PP;
use Time::HiRes ();

$| = 1;    # every answer at once
my $json = JSON::PP->new->utf8->allow_nonref->canonical;
my $id;

sub send_line { print $json->encode($_[0]), "\n" }

my %jobs = (
    add      => sub { $_[0] + $_[1] },
    echo     => sub { @_ == 1 ? $_[0] : [@_] },
    sleep    => sub { Time::HiRes::sleep($_[0]); undef },
    fail     => sub { die(($_[0] // 'it was asked to fail') . "\n") },
    progress => sub {
        my $steps = $_[0] // 4;
        for my $step (1 .. $steps) {
            send_line({ jsonrpc => '2.0', method => 'progress',
                        params => { id => $id, percent => 100 * $step / $steps } });
        }
        $steps;
    },
);

while (my $line = <STDIN>) {    # ends by itself when the master closes it
    my $message = $json->decode($line);
    next unless ($message->{method} // '') eq 'job';
    $id = $message->{id};
    my ($type, $args) = @{ $message->{params} }{qw(type args)};
    my $work = $jobs{$type};
    if (!$work) {
        send_line({ id => $id, error => { code => -32601, message => "no such job type `$type`" } });
        next;
    }
    my @args = ref $args eq 'ARRAY' ? @$args : defined $args ? ($args) : ();
    my $result = eval { $work->(@args) };
    if (my $error = $@) {       # a failed job must not end the worker
        chomp $error;
        send_line({ id => $id, error => { code => 1, message => $error } });
    } else {
        send_line({ id => $id, result => $result });
    }
}
